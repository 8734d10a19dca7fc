"""The command `practice-org`. The server's libraries are loaded only by the command that serves."""

import sys
from pathlib import Path
from typing import NoReturn

import click

DEFAULT_FIELD = "mkto_si__Marketo_Sales_Opt_Out__c"
RECORDS_MAX = 50_000_000
NOT_STARTED = "no practice org was started"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """A Salesforce that runs here, for rehearsals and tests. No real Salesforce is touched."""


def main() -> None:
    """Runs the command line of this process; whatever it cannot do is told in three parts, with exit code 2."""
    try:
        group.main(prog_name="practice-org", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        what = " ".join(error.format_message().split()).rstrip(".")
        _fail(what, NOT_STARTED, f"see: {context.command_path if context else 'practice-org serve'} --help")


@group.command(short_help="Run a practice org until stopped.")
@click.option("--http", "address", default="127.0.0.1:0", show_default=True, help="Loopback address; port 0: any free.")
@click.option("--leads", type=click.IntRange(0, RECORDS_MAX), default=0, show_default=True, help="Generated Leads.")
@click.option("--contacts", type=click.IntRange(0, RECORDS_MAX), default=0, show_default=True, help="And Contacts.")
@click.option("--opted-out", type=click.FloatRange(0, 100), default=0.0, help="Per cent with Email Opt Out ticked.")
@click.option("--sales-opted-out", type=click.FloatRange(0, 100), default=0.0, help="The same for the package's box.")
@click.option("--person-accounts", type=click.IntRange(0, 100_000), default=None, help="Have the feature, and so many.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same people.")
@click.option(
    "--credentials",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Written once the org answers; its private key beside it.",
)
@click.option("--grant-opt-out", is_flag=True, help="Let the integration user see and edit Email Opt Out.")
@click.option("--package", is_flag=True, help="Install the package with the Marketo Sales Opt Out checkbox.")
@click.option("--lead-field", default=DEFAULT_FIELD, show_default=True, help="API name of its checkbox on Lead.")
@click.option("--contact-field", default=DEFAULT_FIELD, show_default=True, help="API name of its checkbox on Contact.")
@click.option("--org-number", type=click.IntRange(1, 999), default=1, show_default=True, help="Its org id; two differ.")
@click.option("--parent-pid", type=int, default=None, help="End when this process, our parent, is gone.")
def serve(address: str, file: Path, parent_pid: int | None, org_number: int, **options: object) -> None:
    """Run a practice org on a loopback address until SIGTERM or SIGINT."""
    host, port = _checked_address(address)
    from practice_org.org import Options
    from practice_org.server import listen
    from practice_org.server import serve as run

    try:
        chosen = Options(**options)  # type: ignore[arg-type]  # checked by click
    except ValueError as error:
        _fail(str(error), NOT_STARTED, "see: practice-org serve --help")
    try:
        listener = listen(host, port)
    except OSError as error:
        _fail(
            f"{address} cannot be used: {error.strerror}",
            "another program has that port, or it may not be used by you",
            "choose another --http; port 0 takes a free one",
        )
    try:
        run(listener, chosen, file, parent_pid, _announce, org_number)
    except OSError as error:
        _fail(f"{file} cannot be written: {error.strerror}", NOT_STARTED, "choose another --credentials FILE")


def _checked_address(address: str) -> tuple[str, int]:
    """Loopback only: the org hands out access to whoever asks, without TLS."""
    host, _, port = address.rpartition(":")
    if host in ("127.0.0.1", "localhost") and port.isascii() and port.isdigit() and int(port) <= 65_535:
        return "127.0.0.1", int(port)
    return _fail(
        f"not an address for a practice org: {address}",
        "it speaks plain HTTP and must not be reachable from other machines",
        "use --http 127.0.0.1:PORT",
    )


def _fail(what: str, means: str, do: str) -> NoReturn:
    click.echo(f"error: {what}\nmeans: {means}\nnext:  {do}", err=True)
    sys.exit(2)


def _announce(base_url: str) -> None:
    click.echo(f"practice org ready: {base_url} (page: {base_url}/practice)", err=True)
