"""Is every opt-out in Salesforce? One screen, one answer."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, WARN, Output, with_output

if TYPE_CHECKING:
    from optsync.cli.house import House
    from optsync.connection.settings import Settings
    from optsync.core.counts import Balance
    from optsync.web.standing import Standing

WATCH_SECONDS = 2.0
FINE, WARNED, SIGN_IN_NEEDED, HELD = 0, 3, 4, 5
CODES = {"not connected": SIGN_IN_NEEDED, "sign-in refused": SIGN_IN_NEEDED, "held": HELD}
CODES_BY_TONE = {"ok": FINE, "info": FINE, "warn": WARNED, "bad": WARNED}


@dataclass(frozen=True, slots=True)
class Look:
    """One look: the answer for --json, the lines for the eye, the exit code."""

    answer: dict[str, Any]
    lines: list[str]
    code: int


@click.command()
@click.option("--watch", "every", metavar="[SECONDS]", is_flag=False, flag_value=WATCH_SECONDS, default=None,
              type=click.FloatRange(0.5, 3600), help="Look again every so many seconds (2), until Ctrl-C.")  # fmt: skip
@click.option("--org", help="The org's id, when several are connected.")
@with_output
def status(out: Output, every: float | None, org: str | None) -> int:
    """Is every opt-out in Salesforce?

    \b
    Examples:
      optsync status
      optsync status --watch                     the same, refreshed every 2 seconds
      optsync status --watch 60 >> status.jsonl  where no terminal reads: one JSON object a line

    Exit code 0: yes, on its way, or nothing there yet; 3: something waits for a person or is late; 4: sign in; 5: a
    decision waits. A watch ends with 130, and waits for a database that went away.
    """
    with opened(out) as house:
        if every is not None:
            from optsync.cli.watching import watch

            house.conn.close()  # each look has a session of its own: nothing is held between two
            return watch(out, every, house.seams, lambda: look_afresh(house, org))
        found = look_with(house, org, quickly=False)
    out.show(found.answer, *found.lines)
    return found.code


def look_afresh(house: "House", org: str | None) -> Look:
    """A look by a session of its own. Raises psycopg.OperationalError while there is no database."""
    with house.database.connect() as conn:
        return look_with(replace(house, conn=conn), org, quickly=True)


def look_with(house: "House", org: str | None, *, quickly: bool) -> Look:
    """What the house's session sees. Raises Problem when the org must be named.

    `quickly` is for look after look: large sums are counted beside, and tell their age.
    """
    from optsync.connection.connect import connections
    from optsync.connection.settings import load
    from optsync.web.standing import look
    from optsync.web.tally import count, tally

    org_id = house.org_id(org) if org or connections(house.conn) else None
    counted = tally(house.database).of(house.conn, org_id) if quickly else None
    standing = look(house.conn, org_id, counted or count(house.conn, org_id))
    settings = load(house.conn, org_id) if org_id is not None else None
    now = house.seams.now()
    next_run = when(settings, now) if settings else None
    balance = standing.balance
    answer = {
        "at": standing.at,
        "verdict": standing.verdict,
        "sentence": standing.sentence,
        "balance": balance.as_dict(),
        "counted_at": standing.counted.at if standing.counted else None,
        "closes": balance.closes(),
        "agree": balance.agree,
        "proved_at": standing.proved_at,
        "swept_at": standing.swept_at,
        "next_run_at": next_run,
        "paused": standing.paused,
        "looked_for": standing.exactly("looked_for"),
        "parked": [{"code": p.code, "said": p.said, "count": p.count} for p in standing.parked],
    }
    code = CODES.get(standing.verdict, CODES_BY_TONE[standing.tone])
    return Look(answer, lines_of(standing, balance, settings, next_run, now), code)


def when(settings: "Settings", now: Any) -> Any:
    """The next nightly run; None with the switch off."""
    from optsync.core.calendar import next_slot

    return next_slot(settings.schedule, now) if settings.sync_on else None


def lines_of(
    standing: "Standing", b: "Balance", settings: "Settings | None", next_run: Any, now: datetime
) -> list[str]:
    """The screen: the sentence, the two sums that close, what comes next."""
    boxes = (
        f"  Boxes    {b.pairs:,} due + {b.no_address:,} without address"
        f" = {b.confirmed:,} confirmed + {b.owed:,} on their way + {b.held:,} held + {b.parked:,} parked"
    )
    sums = f"  {OK} Both sums close." if b.closes() else f"  {WARN} The sums do not close: run optsync sync"
    lines = [
        f"{standing.sign} {standing.sentence}",
        "",
        f"  People   {b.recorded:,} opted out = {b.linked:,} with a Lead or Contact + {b.not_linked:,} not linked",
        boxes,
        sums,
    ]
    if standing.counted and standing.at - standing.counted.at >= timedelta(minutes=1):
        lines.append(f"  Counted  {span(standing.at - standing.counted.at)} ago: the sums above")
    if standing.proved_at is not None:
        lines.append(f"  Proved   {span(now - standing.proved_at)} ago, at {standing.proved_at:%Y-%m-%d %H:%M} UTC")
    if standing.swept_at is not None:
        lines.append(f"  Swept    {span(now - standing.swept_at)} ago: every record was read afresh")
    lines += [f"  {WARN} {parked.count:,} parked: {parked.code} {parked.said}" for parked in standing.parked]
    if settings is None:
        return [*lines, "  Next: optsync connect --credentials FILE"]
    if next_run is None:
        return [*lines, "  Nightly sync is off; new opt-outs are still pushed at once, to Email Opt Out."]
    there = next_run.astimezone(ZoneInfo(settings.schedule.zone))
    here = next_run.astimezone()
    return [*lines, f"  Next sync {there:%a %H:%M %Z} ({here:%a %H:%M %Z} your time), in {span(next_run - now)}"]


def span(time: timedelta) -> str:
    """A stretch of time in its two largest units: 3 d 4 h, 6 h 12 min, 4 min."""
    minutes = max(int(time.total_seconds()), 0) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"
