"""What programs elsewhere hear from us: endpoints, their deliveries, and events on this terminal."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from optsync.cli.house import opened
from optsync.cli.output import BAD, OK, WARN, Output, with_output
from optsync.cli.people import operator
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.webhooks.endpoints import Delivery, Endpoint
    from optsync.webhooks.types import Event

NUMBER = click.IntRange(1, 2**31 - 1)
LATEST = 2**63 - 1


@click.group()
def webhooks() -> None:
    """Webhooks: tell programs elsewhere what happened, signed by Standard Webhooks."""


@webhooks.command()
@click.argument("url")
@click.option("--type", "types", multiple=True, help="A type of event, such as unsubscribe.created; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Every type.")
@with_output
def add(out: Output, url: str, types: tuple[str, ...], everything: bool) -> None:
    """Tell URL what happens from now on, and print the secret that signs it. Nobody can show it again."""
    from optsync.webhooks import endpoints
    from optsync.webhooks.egress import egress_of
    from optsync.webhooks.types import KIND_OF

    with opened(out) as house:
        number, secret = endpoints.add(
            house.conn,
            house.vault,
            egress_of(house.seams, house.environment),
            house.seams.token_bytes,
            url,
            list(KIND_OF) if everything else types,
            actor=operator(),
        )
    out.show({"endpoint": number, "secret": secret}, secret)
    if not out.as_json:
        out.say(f"{OK} Webhook {number}. Store its secret now: it is not shown again.")
        out.say(f"  Next: optsync webhooks test {number}")


@webhooks.command("list")
@with_output
def list_endpoints(out: Output) -> None:
    """Show every endpoint, without its secret."""
    from optsync.webhooks import endpoints

    with opened(out) as house:
        found = endpoints.listing(house.conn)
    lines = [described(one) for one in found] or [f"{OK} No webhooks. Add one: optsync webhooks add URL --all"]
    out.show({"endpoints": [asdict(one) | {"state": one.state} for one in found]}, *lines)


@webhooks.command()
@click.argument("number", type=NUMBER)
@with_output
def test(out: Output, number: int) -> None:
    """Send an event of type webhook.test to endpoint NUMBER; a worker delivers it."""
    from optsync.webhooks import endpoints

    with opened(out) as house:
        delivery = endpoints.send_test(house.conn, number, actor=operator())
    out.show({"delivery": delivery}, f"{OK} Delivery {delivery} is due. See: optsync webhooks deliveries {number}")


@webhooks.command()
@click.argument("number", type=NUMBER)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@with_output
def deliveries(out: Output, number: int, limit: int) -> None:
    """Show the newest deliveries to endpoint NUMBER with every attempt."""
    from optsync.webhooks import endpoints

    with opened(out) as house:
        endpoints.found(house.conn, number)
        found = endpoints.deliveries(house.conn, number, LATEST, limit)
    lines = [line for one in found for line in lines_of(one)] or [f"{OK} No deliveries yet."]
    out.show({"deliveries": [asdict(one) | {"state": one.state} for one in found]}, *lines)


@webhooks.command()
@click.argument("number", type=NUMBER)
@click.argument("delivery", type=click.IntRange(1, LATEST))
@with_output
def resend(out: Output, number: int, delivery: int) -> None:
    """Send DELIVERY to endpoint NUMBER again; the last 30 days can be."""
    from optsync.webhooks import endpoints

    with opened(out) as house:
        if not endpoints.resend(house.conn, number, delivery, actor=operator()):
            raise none_such(f"webhook {number} has no delivery {delivery}", f"optsync webhooks deliveries {number}")
    out.show({"delivery": delivery}, f"{OK} Delivery {delivery} is due again.")


@webhooks.command()
@click.argument("number", type=NUMBER)
@click.option("--since", required=True, help="Such as 2026-11-27T09:30; UTC unless it names an offset.")
@with_output
def replay(out: Output, number: int, since: str) -> None:
    """Send endpoint NUMBER again all that happened since a moment of the last 30 days.

    What is new does not wait for it. Each event has the webhook-id that it had before.
    """
    from optsync.webhooks import endpoints

    moment = moment_in(since)
    with opened(out) as house:
        endpoints.replay(house.conn, number, moment, actor=operator())
    told = f"{OK} What happened since {moment:%Y-%m-%d %H:%M:%S} UTC is sent again."
    out.show({"endpoint": number, "since": moment}, told)


def moment_in(text: str) -> datetime:
    """An instant in UTC as somebody typed it. Raises Problem, exit code 2."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem(f"{text[:40]} is no moment", "nothing was done", "type it as 2026-11-27T09:30", 2) from None


@webhooks.command()
@click.argument("number", type=NUMBER)
@with_output
def rotate(out: Output, number: int) -> None:
    """Give endpoint NUMBER a new secret and print it; the old one signs too for 24 hours."""
    from optsync.webhooks import endpoints

    with opened(out) as house:
        secret = endpoints.rotate(house.conn, house.vault, house.seams.token_bytes, number, actor=operator())
    out.show({"endpoint": number, "secret": secret}, secret)
    if not out.as_json:
        out.say(f"{OK} Store it now: it is not shown again. Both secrets sign for 24 hours.")


@webhooks.command()
@click.argument("number", type=NUMBER)
@with_output
def disable(out: Output, number: int) -> None:
    """Stop deliveries to endpoint NUMBER; what happens meanwhile is kept for 30 days."""
    switch(out, number, on=False)


@webhooks.command()
@click.argument("number", type=NUMBER)
@with_output
def enable(out: Output, number: int) -> None:
    """Go on with deliveries to endpoint NUMBER where they stopped."""
    switch(out, number, on=True)


def switch(out: Output, number: int, *, on: bool) -> None:
    """Enables or disables an endpoint, and says so. Raises Problem when there is none of that number."""
    from optsync.webhooks import endpoints

    with opened(out) as house:
        endpoints.found(house.conn, number)
        (endpoints.enable if on else endpoints.disable)(house.conn, number, actor=operator())
    told = f"{OK} Webhook {number} is {'enabled' if on else 'disabled'}."
    out.show({"endpoint": number, "state": "active" if on else "disabled"}, told)


@webhooks.command()
@click.argument("number", type=NUMBER)
@with_output
def remove(out: Output, number: int) -> None:
    """End endpoint NUMBER for good, with the list of its deliveries."""
    from optsync.webhooks import endpoints

    with opened(out) as house:
        if not endpoints.remove(house.conn, number, actor=operator()):
            raise none_such(f"there is no webhook {number}", "optsync webhooks list")
    out.show({"removed": number}, f"{OK} Webhook {number} is removed.")


@click.command()
@click.option("--to", "url", help="Also send each event there, unsigned; this machine is allowed.")
@click.option("--type", "types", multiple=True, help="Only this type; may be repeated.")
@click.option("--for", "seconds", type=click.FloatRange(0), help="End after so many seconds; without it, at Ctrl-C.")
@with_output
def listen(out: Output, url: str | None, types: tuple[str, ...], seconds: float | None) -> None:
    """Print events as they happen, one JSON object a line, from now on.

    For trying out a receiver: a webhook does the same without this command, signed and again and again until it worked.
    """
    import json

    from optsync.webhooks.egress import Egress
    from optsync.webhooks.endpoints import refuse_types
    from optsync.webhooks.reading import newest_place, read_after
    from optsync.webhooks.types import KIND_OF

    refuse_types(types or tuple(KIND_OF))
    with opened(out) as house:
        egress = Egress(house.seams, to_loopback=True)
        if url:
            egress.refuse(url)
        ends_at = None if seconds is None else house.seams.monotonic() + seconds
        place = newest_place(house.conn)
        out.say("Listening; Ctrl-C ends it. A worker must run: it seals events.")
        while ends_at is None or house.seams.monotonic() < ends_at:
            events, place = read_after(house.conn, house.subject_key, place, types or tuple(KIND_OF), 1000)
            for event in events:
                body = as_line(event)
                out.json(body)
                if url:
                    answer = egress.post(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
                    out.say(f"{OK if answer.is_ok else BAD} {answer.status or answer.said} in {answer.took_ms} ms")
            if not events:
                house.seams.sleep(0.5)


def as_line(event: "Event") -> dict[str, Any]:
    """An event with its id."""
    return {"id": event.id} | event.as_dict()


def none_such(what: str, see: str) -> Problem:
    """For a number that means nothing."""
    return Problem(what, "nothing was done", f"see: {see}")


def described(one: "Endpoint") -> str:
    """An endpoint for the eye."""
    sign = {"active": OK, "failing": WARN, "disabled": BAD}[one.state]
    why = f" ({one.disabled_why})" if one.disabled_why else ""
    waits = f", {one.waiting:,} deliveries wait" if one.waiting else ""
    return f"{sign} {one.endpoint_id}  {one.url}  {one.state}{why}{waits}  {', '.join(one.types)}"


def lines_of(one: "Delivery") -> list[str]:
    """A delivery and its attempts for the eye."""
    sign = {"delivered": OK, "pending": WARN, "failed": BAD}[one.state]
    again = f", next attempt {one.due_at:%Y-%m-%d %H:%M:%S} UTC" if one.due_at else ""
    lines = [f"{sign} {one.delivery_id}  {one.type}  {one.state}{again}"]
    lines += [
        f"    {a.at:%Y-%m-%d %H:%M:%S} UTC  {a.status or 'no answer'}  {a.took_ms} ms  {a.said}" for a in one.tried
    ]
    return lines
