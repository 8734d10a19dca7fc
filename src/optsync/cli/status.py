"""Is every opt-out in Salesforce? One screen, one answer."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, WARN, Output, with_output

if TYPE_CHECKING:
    from optsync.connection.settings import Settings
    from optsync.core.counts import Balance
    from optsync.web.standing import Standing

FINE, WARNED, SIGN_IN_NEEDED, HELD = 0, 3, 4, 5
CODES = {"not connected": SIGN_IN_NEEDED, "sign-in refused": SIGN_IN_NEEDED, "held": HELD}
CODES_BY_TONE = {"ok": FINE, "info": FINE, "warn": WARNED, "bad": WARNED}


@click.command()
@click.option("--org", help="The org's id, when several are connected.")
@with_output
def status(out: Output, org: str | None) -> int:
    """Is every opt-out in Salesforce?

    Exit code 0: yes, on its way, or nothing there yet; 3: something waits for a person or is late; 4: sign in; 5: a
    decision waits.
    """
    from optsync.connection.connect import connections
    from optsync.connection.settings import load
    from optsync.web.standing import look
    from optsync.web.tally import count

    with opened(out) as house:
        org_id = house.org_id(org) if org or connections(house.conn) else None
        standing = look(house.conn, org_id, count(house.conn, org_id))
        settings = load(house.conn, org_id) if org_id is not None else None
        now = house.seams.now()
        next_run = when(settings, now) if settings else None
    balance = standing.balance
    answer = {
        "verdict": standing.verdict,
        "sentence": standing.sentence,
        "balance": balance.as_dict(),
        "closes": balance.closes(),
        "agree": balance.agree,
        "proved_at": standing.proved_at,
        "swept_at": standing.swept_at,
        "next_run_at": next_run,
        "paused": standing.paused,
        "looked_for": standing.exactly("looked_for"),
        "parked": [{"code": p.code, "said": p.said, "count": p.count} for p in standing.parked],
    }
    out.show(answer, *lines_of(standing, balance, settings, next_run, now))
    return CODES.get(standing.verdict, CODES_BY_TONE[standing.tone])


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
