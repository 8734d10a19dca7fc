"""practice-org fault and practice-org requests: what goes wrong on order, and what a running org was asked."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from practice_org import clock
from practice_org.remote import names_an_org, remote_of

if TYPE_CHECKING:
    from practice_org.faults.base import Fault
    from practice_org.faults.options import Option

FOLLOW_SECONDS = 0.3


class Kinds(click.Group):
    """A command for each kind of fault, with the kind's own options; the kinds are loaded when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All kinds by name."""
        from practice_org.faults.registry import KINDS

        return list(KINDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command that orders this kind."""
        from practice_org.faults.registry import KINDS

        kind = KINDS.get(cmd_name)
        return None if kind is None else _command_of(kind)


def _command_of(kind: "type[Fault]") -> click.Command:
    from practice_org.faults.registry import what_happens

    def order(credentials: Path | None, http: str | None, **values: object) -> None:
        chosen = {name: value for name, value in values.items() if _given(name)}
        made = remote_of(credentials, http).call("POST", "/faults", {"kind": kind.kind} | chosen)
        click.echo(f"fault {made['id']} is on order: {kind.kind}")

    happens = what_happens(kind)
    text = f"{happens}\n\nA client must: {kind.client_must}\n\nSource: {kind.source}."
    options: list[click.Parameter] = [_parameter(one) for one in kind.options()]
    return names_an_org(click.Command(kind.kind, params=options, callback=order, help=text, short_help=happens))


def _given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not None and source is not click.core.ParameterSource.DEFAULT


def _parameter(one: "Option") -> click.Option:
    def parsed(_: click.Context, __: click.Parameter, text: str | None) -> object:
        try:
            return None if text is None else one.parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    notes = [f"One of: {', '.join(one.choices)}."] if one.choices else []
    notes += [f"Known: {', '.join(one.known)}."] if one.known else []
    notes += [f"Default: {one.show(one.default)}."] if one.show(one.default) else []
    help_text = " ".join([one.text, *notes])
    return click.Option([f"--{one.name.replace('_', '-')}", one.name], callback=parsed, help=help_text, metavar="VALUE")


@click.group(short_help="Order what goes wrong in a running practice org.")
def fault() -> None:
    """Faults on order: refusals, broken connections, spoiled results, for some requests or records, some times."""


@fault.group("add", cls=Kinds, short_help="Order a fault.")
def add() -> None:
    """Order a fault. Each kind has options of its own: practice-org fault add KIND --help"""


@names_an_org
@fault.command("list", short_help="Show the faults on order.")
@click.option("--json", "as_json", is_flag=True, help="All options, as JSON.")
def list_faults(credentials: Path | None, http: str | None, as_json: bool) -> None:
    """Show the faults on order and how often each struck."""
    faults = remote_of(credentials, http).call("GET", "/faults")
    if as_json:
        click.echo(json.dumps(faults, indent=2))
        return
    if not faults:
        click.echo("no faults on order")
    for one in faults:
        times = "for ever" if one["times"] is None else f"of {one['times']}"
        click.echo(f"{one['id']:>3}  {one['kind']:<18}  struck {one['struck']} {times:<8}  on {_about(one)}")


def _about(one: dict[str, Any]) -> str:
    narrowed = [
        f"{name} {one[name]}" for name in ("moment", "path", "holding", "code", "records", "skip") if one.get(name)
    ]
    return ", ".join([one["route"], *narrowed])


@names_an_org
@fault.command("clear", short_help="Take faults back.")
@click.argument("fault_id", required=False)
def clear(credentials: Path | None, http: str | None, fault_id: str | None) -> None:
    """Take back one fault by its id, or all of them."""
    remote_of(credentials, http).call("DELETE", f"/faults/{fault_id}" if fault_id else "/faults")
    click.echo(f"fault {fault_id} is taken back" if fault_id else "all faults are taken back")


@names_an_org
@click.command("requests", short_help="Show what a running practice org was asked.")
@click.option("--follow", is_flag=True, help="Go on as requests come in, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all that is known.")
def requests(credentials: Path | None, http: str | None, follow: bool, as_json: bool) -> None:
    """Show the request log, the oldest first: time (UTC), status, milliseconds, records, route, path, fault.

    Bodies, headers and secrets are not in it.
    """
    remote, last = remote_of(credentials, http), 0
    try:
        while True:
            for seen in remote.call("GET", f"/requests?after={last}"):
                click.echo(json.dumps(seen) if as_json else line_of(seen))
                last = seen["number"]
            if not follow:
                return
            clock.pause(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return


def line_of(seen: dict[str, Any]) -> str:
    """One request as a line of text."""
    at = datetime.fromtimestamp(seen["received_at"], UTC).strftime("%H:%M:%S.%f")[:-3]
    records = f"{seen['records']} rec" if seen["records"] else ""
    struck = f"  ! {', '.join(seen['faults'])}" if seen["faults"] else ""
    return (
        f"{at}  {seen['status']}  {seen['ms']:>8.1f} ms  {records:>8}  {seen['route']:<22}  "
        f"{seen['method']:<6} {seen['path']}{struck}"
    )
