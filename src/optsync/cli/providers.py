"""The mail providers whose unsubscribes, complaints and bounces we take."""

from typing import IO, TYPE_CHECKING, Any

import click

from optsync.cli.house import House, opened
from optsync.cli.output import BAD, OK, SKIP, WARN, Output, interactive, with_output, with_yes
from optsync.cli.people import TYPED, operator
from optsync.core.problems import Problem
from optsync.core.public_address import trouble_with
from optsync.webhooks.providers import PROVIDERS, Policy

if TYPE_CHECKING:
    from optsync.webhooks.sources import Source

NAME = click.Choice(sorted(PROVIDERS))
NEEDS_YES = 5
KEY_BYTES_MAX = 10_000


@click.group()
def providers() -> None:
    """Mail providers that tell us of unsubscribes. Each calls an address with a secret that is shown once."""


@providers.command("list")
@with_output
def list_providers(out: Output) -> None:
    """Show which providers may call, what counts, and when each was last heard."""
    from optsync.webhooks import sources

    with opened(out) as house:
        found = sources.listing(house.conn)
    lines = [line for source in found for line in lines_of(source)]
    nothing = f"{SKIP} No mail provider is connected. Connect one: optsync providers add sendgrid"
    out.show({"providers": [answer_of(source) for source in found]}, *(lines or [nothing]))


@providers.command()
@click.argument("name", type=NAME)
@click.option("--complaints/--no-complaints", default=True, show_default=True, help="Spam complaints opt out.")
@click.option("--bounces/--no-bounces", default=False, show_default=True, help="Hard bounces opt out.")
@click.option(
    "--groups/--no-groups",
    default=True,
    show_default=True,
    help="Leaving one group (SendGrid) or topic (Amazon SES) opts out of everything.",
)
@click.option(
    "--signing-key", type=click.File("r"), help="A file with the provider's own signing key, checked too; - for stdin."
)
@click.option("--topic", type=TYPED, default="", help="Amazon SES: the ARN of the SNS topic that may speak.")
@with_output
def add(
    out: Output, name: str, complaints: bool, bounces: bool, groups: bool, signing_key: IO[str] | None, topic: str
) -> None:
    """Let the provider NAME call, and print the address to paste there. Nobody can show it again."""
    from optsync.webhooks import sources

    provider = PROVIDERS[name]
    key = signing_key.read(KEY_BYTES_MAX) if signing_key else ""
    with opened(out) as house:
        secret = sources.add(
            house.conn,
            house.vault,
            house.seams.token_bytes,
            provider,
            Policy(complaints, bounces, groups),
            signing_key=key,
            topic=topic,
            actor=operator(),
        )
        show_address(out, house, name, secret)


@providers.command()
@click.argument("name", type=NAME)
@with_output
def rotate(out: Output, name: str) -> None:
    """Make a new secret and print the new address. The one before works until the new one is used, a day at most."""
    from optsync.webhooks import sources

    provider = PROVIDERS[name]
    with opened(out) as house:
        secret = sources.rotate(house.conn, house.vault, house.seams.token_bytes, provider, actor=operator())
        show_address(out, house, name, secret)


@providers.command()
@click.argument("name", type=NAME)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def remove(out: Output, name: str, yes: bool) -> None:
    """Take nothing from the provider NAME any more. What it told stays."""
    from optsync.webhooks import sources

    with opened(out) as house:
        if not yes and not (interactive() and click.confirm(f"Stop taking the events of {name}?", err=True)):
            raise Problem(
                f"removing {name} waits for a yes",
                "nothing was changed; its unsubscribes are still taken",
                f"repeat the command with --yes: {with_yes()}",
                NEEDS_YES,
            )
        sources.remove(house.conn, PROVIDERS[name], actor=operator())
    out.show({"removed": name}, f"{OK} Removed: calls of {PROVIDERS[name].name} are refused from now on.")


def show_address(out: Output, house: House, name: str, secret: str) -> None:
    """The address with its secret, once; with a warning when the provider cannot reach it, or not in secret."""
    from optsync.webhooks import sources

    url, trouble = (
        sources.address_of(house.public_url, PROVIDERS[name], secret),
        trouble_with(house.environment.public_url),
    )
    out.show({"provider": name, "url": url}, url)
    if trouble is not None:
        out.say(f"{WARN} {name} must reach this address by https: {trouble.next}.")
    if not out.as_json:
        out.say(f"{OK} Paste this address at {PROVIDERS[name].name} now: it is not shown again.")
        out.say("  Let it send unsubscribes, spam complaints and bounces. Then: optsync providers list")


def answer_of(source: "Source") -> dict[str, Any]:
    """A provider for --json."""
    return {
        "provider": source.provider.slug,
        "name": source.provider.name,
        "complaints": source.policy.complaints,
        "bounces": source.policy.bounces,
        "groups": source.policy.groups,
        "checks_signature": source.signing_key is not None or source.provider.needs_topic,
        "topic": source.topic,
        "added_at": source.added_at,
        "added_by": source.added_by,
        "last_event_at": source.last_event_at,
        "rejected_at": source.rejected_at,
        "rejected_why": source.rejected_why,
        "unreadable": source.unreadable,
        "put_off": source.put_off,
    }


def lines_of(source: "Source") -> list[str]:
    """A provider for the eye."""
    takes = ["unsubscribes"] if "unsubscribe" in source.provider.tells else []
    takes += ["complaints"] if source.policy.complaints else []
    takes += ["hard bounces"] if source.policy.bounces else []
    heard = f"last event {source.last_event_at:%Y-%m-%d %H:%M:%S} UTC" if source.last_event_at else "no event yet"
    lines = [f"{OK if source.last_event_at else SKIP} {source.provider.slug}   {', '.join(takes)}   {heard}"]
    if source.rejected_at:
        lines.append(f"{WARN}   last call rejected {source.rejected_at:%Y-%m-%d %H:%M:%S} UTC: {source.rejected_why}")
    if source.unreadable:
        lines.append(f"{BAD}   {source.unreadable:,} events could not be read: see the provider's page")
    if source.put_off:
        lines.append(f"{WARN}   {source.put_off:,} events could not be recorded yet; they are tried again within 5 min")
    return lines
