"""The `optsync` command: a table of names, and the one place where a failure becomes an exit code.

Nothing below `click` is imported until a command is chosen, so that `optsync --help` answers at once.
"""

import sys

import click

from optsync.cli.frame import LazyGroup, exit_code_of

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "See it work": {
        "demo": (
            "optsync.cli.demo.command:demo",
            "An unsubscribe reaches Salesforce before your eyes, on a practice org.",
        ),
    },
    "Run": {
        "up": ("optsync.cli.serving:up", "Web, worker and database in one go; ends together."),
        "serve": ("optsync.cli.serving:serve", "The web pages only."),
        "sign-in": ("optsync.cli.serving:sign_in", "A one-time link into the web pages."),
        "worker": ("optsync.cli.serving:worker", "The worker only: pushes at once, compares once a night."),
        "migrate": ("optsync.cli.serving:migrate", "Bring the database to this version."),
    },
    "Connect and set": {
        "config": ("optsync.cli.config:config", "The settings of the environment: check them, show them."),
        "connect": ("optsync.cli.connecting:connect", "Connect a Salesforce org."),
        "disconnect": (
            "optsync.cli.connecting:disconnect",
            "End the connection of an org; everything recorded stays.",
        ),
        "doctor": (
            "optsync.cli.connecting:doctor",
            "What stands between an opt-out and Salesforce, and how to fix it.",
        ),
        "install": (
            "optsync.cli.installing:install",
            "Put the opt-out field on page layouts, or make one; and take it back.",
        ),
        "contract-check": (
            "optsync.cli.connecting:contract_check",
            "Does this org answer as the practice org does?",
        ),
        "providers": (
            "optsync.cli.providers:providers",
            "Mail providers that tell us of unsubscribes.",
        ),
        "settings": ("optsync.cli.settings:settings", "The switch, the opt-out field and the time."),
    },
    "Sync": {
        "status": ("optsync.cli.status:status", "Is every opt-out in Salesforce?"),
        "sync": ("optsync.cli.syncing:sync", "Compare both sides now, settle and prove."),
        "run": ("optsync.cli.syncing:run", "What a sync run did."),
        "undo": ("optsync.cli.undoing:undo", "Take back what a sync run brought in by mistaken ticks."),
        "retry": ("optsync.cli.syncing:retry", "Try parked and waiting marks again now."),
        "hold": ("optsync.cli.holding:hold", "Mass changes that wait for your decision."),
    },
    "People": {
        "who": ("optsync.cli.people:who", "Is this person blocked, why, and what happened."),
        "unsubscribe": ("optsync.cli.people:unsubscribe", "Record an opt-out."),
        "lift": ("optsync.cli.people:lift", "Remove an unsubscribe."),
        "link": ("optsync.cli.links:link", "Print a person's own unsubscribe link."),
        "receive-mail": ("optsync.cli.links:receive_mail", "Take an unsubscribe mail from a mail server's pipe."),
        "check": ("optsync.cli.people:check", "May these addresses be mailed?"),
        "erase": ("optsync.cli.erasing:erase", "Keep only a keyed hash of an address."),
        "domains": ("optsync.cli.domains:domains", "Domains at which nobody is mailed."),
        "compliance": ("optsync.cli.compliance:compliance", "Why a person's data may be used, and where it came from."),
        "import": ("optsync.cli.files:import_", "Opt-outs, or people with ids or compliance data, from a file."),
        "export": ("optsync.cli.files:export", "Opt-outs, people, their ids or the evidence, as a file."),
    },
    "Proof and care": {
        "audit": ("optsync.cli.audit:audit", "Verify or export the hash chain of events."),
        "backup": ("optsync.cli.keeping:backup", "Database and key into one file."),
        "restore": ("optsync.cli.keeping:restore", "The way back from such a file."),
        "alerts": ("optsync.cli.alerts:alerts", "What is said by itself, and to whom: list, test, add."),
        "webhooks": ("optsync.cli.webhooks:webhooks", "Programs elsewhere that hear what happens."),
        "listen": ("optsync.cli.webhooks:listen", "Print events as they happen."),
        "users": ("optsync.cli.users:users", "Who may sign in to the web pages, and as what."),
        "api-keys": ("optsync.cli.api_keys:api_keys", "What programs sign in with: make, list, replace, revoke."),
        "keys": ("optsync.cli.keys:keys", "A new key for the stored Salesforce credentials."),
        "completion": ("optsync.cli.completing:completion", "Let the Tab key complete commands: bash, zsh, fish."),
        "version": ("optsync.cli.version:version", "Which optsync this is."),
    },
}

HELP = """Keeps every e-mail unsubscribe in step with Salesforce, and proves it.

\b
Examples:
  optsync demo                               see it work, nothing is kept
  optsync up                                 run it
  optsync connect --credentials org.json     connect a Salesforce org
  optsync unsubscribe ann@example.com        record an opt-out
  optsync status                             is every opt-out in Salesforce?
"""


def print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """What `optsync version` prints."""
    if asked and not context.resilient_parsing:
        from optsync.cli.version import line

        click.echo(line())
        context.exit()


@click.command(
    cls=LazyGroup,
    sections=SECTIONS,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--traceback", is_flag=True, envvar="OPTSYNC_TRACEBACK", help="For developers: show where an error came from."
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Show which optsync this is and exit.",
)
@click.pass_context
def optsync(context: click.Context, traceback: bool) -> None:
    """The group itself does nothing; `HELP` is its text."""
    context.obj = {"traceback": traceback}


def main() -> None:
    """Runs the command of this process and ends it with the exit code of screens: 0 fine ... 130 Ctrl-C."""
    sys.exit(exit_code_of(optsync, sys.argv[1:]))
