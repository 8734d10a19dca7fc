"""Sync now, what a run did, and trying again."""

from typing import TYPE_CHECKING, Any

import click

from optsync.cli.house import opened
from optsync.cli.output import BAD, OK, WARN, Output, Ticker, with_output
from optsync.cli.people import operator
from optsync.core.problems import Problem
from optsync.core.record_ids import PREFIXES
from optsync.web.words import counts_of_run, refusal_of, rest_of_run

if TYPE_CHECKING:
    import psycopg

    from optsync.sync.runs import RunReport

CAUSES_MAX, BOXES_MAX, RECORDS_MAX = 50, 10_000, 20
"""Of a run's refusals: how many causes and boxes are looked at, and how many records of each are named."""

FINE, FAILED, PARTLY, HELD, DIFFERENT = 0, 1, 3, 5, 6
CODES = {"proved": FINE, "dry run": FINE, "partly done": PARTLY, "held": HELD, "waiting for go": HELD}
ORG = click.option("--org", help="The org's id, when several are connected.")


@click.command()
@click.option("--dry-run", is_flag=True, help="Read and compare; write nothing, here or in Salesforce.")
@click.option("--yes", is_flag=True, help="The go for a first run, and for a mass change whose preview you have seen.")
@click.option("--full", is_flag=True, help="Read every record afresh, as once a week.")
@click.option("--exit-code", is_flag=True, help="With --dry-run: exit code 6 when the two sides differ.")
@ORG
@with_output
def sync(out: Output, dry_run: bool, yes: bool, full: bool, exit_code: bool, org: str | None) -> int:
    """Compare both sides now, settle what differs, and prove it by reading Salesforce again.

    Needs no running worker. Exit code 0: proved; 3: done, but some boxes wait; 5: held for a decision; 1: not proved.
    """
    from optsync.sync.nightly import sync_now

    if exit_code and not dry_run:
        raise click.UsageError("--exit-code goes with --dry-run: a real run settles what differs")
    ticker = Ticker()
    with opened(out) as house:
        report = sync_now(
            house.database,
            house.vault,
            house.seams,
            house.org_id(org),
            dry_run=dry_run,
            full=full,
            approve=yes,
            by=operator(),
            progress=lambda phase, count: ticker(phase.capitalize(), count or None),
        )
        ticker.done()
    out.show(report.as_dict(), *lines_of(report))
    code = code_of(report.result)
    return DIFFERENT if exit_code and code == FINE and differs(report) else code


def differs(report: "RunReport") -> bool:
    """Whether a run would change anything, in either direction."""
    return any(report.counts.get(name, 0) for name in ("would_set", "recorded"))


def code_of(result: str) -> int:
    """The exit code of a run's result; a proof with disputed ticks is a proof."""
    return CODES.get(result.partition(",")[0], FAILED)


def lines_of(report: "RunReport") -> list[str]:
    """What a run did, or would do, for the eye."""
    sign = {FINE: OK, PARTLY: WARN, HELD: WARN}.get(code_of(report.result), BAD)
    number = f"sync run {report.run_id} · " if report.run_id else ""
    lines = [f"{sign} {number}{report.result} · {report.seconds:.1f} s · {report.api_calls} API calls"]
    if "would_set" in report.counts:
        return lines + rehearsal_lines(report)
    count = report.counts.get
    set_now = count("confirmed", 0) + count("already_true", 0)
    lines.append(f"  to Salesforce    {set_now:>9,} confirmed   {count('parked', 0):,} parked")
    lines.append(f"  from Salesforce  {count('recorded', 0):>9,} recorded")
    lines += [rest_line(rest) for rest in report.rest]
    if count("parked", 0) and report.run_id:
        lines.append(f"  Why: optsync run {report.run_id} --rejected     Retry: optsync retry {report.run_id}")
    if code_of(report.result) == HELD:
        lines.append("  Decide: optsync hold list")
    return lines


def rest_line(rest: dict[str, Any]) -> str:
    """What is not done, and why."""
    reason = f": {rest['reason']}" if rest.get("reason") else ""
    return f"  {WARN} {rest.get('boxes', 0):,} boxes {rest_of_run(rest.get('verdict', ''))}{reason}"


def rehearsal_lines(report: "RunReport") -> list[str]:
    """The table of a dry run and how to go on."""
    count = report.counts.get
    would_set, already_set, no_record = (count(name, 0) for name in ("would_set", "already_set", "no_record"))
    lines = [
        "                     would set   already set   no record",
        f"  To Salesforce    {would_set:>11,}   {already_set:>11,}   {no_record:>9,}",
        f"  From Salesforce  {count('recorded', 0):>11,}",
    ]
    if count("recorded", 0) and "swept" not in report.counts:
        lines.append("  Their other Leads and Contacts are not counted: the sync looks them up and ticks them, too.")
    for direction, samples in report.samples.items():
        lines += [f"  {direction}: {s['address']}  {s['record']}  {s['why']}" for s in samples[:3]]
    calls = count("expected_api_calls", 0)
    return [*lines, f"  Nothing was written. About {calls:,} API calls.     Run it: optsync sync --yes"]


@click.command()
@click.argument("number", type=int, required=False)
@click.option(
    "--rejected", is_flag=True, help="Only what Salesforce refused in it, by cause. Exit code 3: some still waits."
)
@ORG
@with_output
def run(out: Output, number: int | None, rejected: bool, org: str | None) -> int:
    """What sync run NUMBER did; the newest one without NUMBER."""
    from optsync.ledger.queries import sql
    from optsync.sync import runs

    with opened(out) as house:
        if number is None:
            row = house.conn.execute(sql("optsync.web", "newest_run"), {"org": house.org_id(org)}).fetchone()
            number = row[0] if row else None
        found = runs.report(house.conn, number) if number is not None else None
        causes = rejected_in(house.conn, number) if rejected and number is not None and found else []
    if found is None:
        raise Problem(
            f"there is no sync run {number}" if number is not None else "there was no sync run yet",
            "nothing was done",
            "start one: optsync sync --dry-run",
        )
    if not rejected:
        out.show(found, *run_lines(found))
        return FINE
    lines = [line for cause in causes for line in cause_lines(cause)]
    out.show(
        {"run": number, "rejected": causes}, *(lines or [f"{OK} Salesforce refused nothing in sync run {number}."])
    )
    if not any(cause["waits"] for cause in causes):
        return FINE
    out.say(f"Put it right in Salesforce, then: optsync retry {number}")
    return PARTLY


def rejected_in(conn: "psycopg.Connection", number: int) -> list[dict[str, Any]]:
    """What Salesforce refused in a run, by cause, the one for which the most waits first; `waits` counts boxes."""
    from psycopg.rows import dict_row

    from optsync.ledger.queries import sql

    values = {"run": number, "causes": CAUSES_MAX, "most": BOXES_MAX, "samples": RECORDS_MAX}
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql("optsync.web", "rejected_in_run"), values).fetchall()
    return [told_cause(row) for row in rows]


def told_cause(row: dict[str, Any]) -> dict[str, Any]:
    """One cause in plain words, with Salesforce's own."""
    said = row["said"] or []
    why = refusal_of(row["code"], said[0] if said else "")
    return {
        "cause": row["cause"],
        "code": row["code"],
        "title": why.title,
        "next": why.next,
        "said": said,
        "object": PREFIXES.get(row["prefix"], row["prefix"]),
        "boxes": row["count"],
        "waits": row["still"],
        "records": row["samples"],
    }


def cause_lines(cause: dict[str, Any]) -> list[str]:
    """One cause for the eye."""
    more = cause["boxes"] - len(cause["records"])
    sign = WARN if cause["waits"] else OK
    return [
        f"{sign} {cause['boxes']:,} {cause['object']}   {cause['title']}   {cause['waits']:,} still wait",
        f"    Salesforce says  {cause['code']}{''.join(f': {words}' for words in cause['said'][:1])}",
        f"    Fix              {cause['next']}",
        f"    Records          {' '.join(cause['records'])}{f' and {more:,} more' if more > 0 else ''}",
    ]


def run_lines(found: dict[str, Any]) -> list[str]:
    """A stored run for the eye."""
    result = found["result"] or found["state"]
    report = found["report"] or {}
    counts = report.get("counts") or found["counts"] or {}
    lines = [
        f"sync run {found['run_id']} · {found['started_at']:%Y-%m-%d %H:%M:%S} UTC · {found['kind']} · {result}",
        f"  by {found['by_whom']}, {report.get('seconds', 0):.1f} s, {report.get('api_calls', 0)} API calls",
    ]
    lines += [f"  {value:>10,}  {text}" for text, value in counts_of_run(counts)]
    lines += [rest_line(rest) for rest in report.get("rest", [])]
    if error := report.get("error"):
        lines.append(f"  {BAD} {error['what']}")
    return lines


@click.command()
@click.argument("run_number", type=int, required=False)
@click.option("--reason", help="Only those whose reason starts with this, for example a Salesforce code.")
@ORG
@with_output
def retry(out: Output, run_number: int | None, reason: str | None, org: str | None) -> int:
    """Make parked and waiting marks due now; with RUN_NUMBER only what that run parked.

    The worker sends them; without one, the next sync does.
    """
    from optsync.ledger import marks
    from optsync.sync import runs

    with opened(out) as house:
        org_id = house.org_id(org)
        if run_number is not None and runs.report(house.conn, run_number) is None:
            raise Problem(f"there is no sync run {run_number}", "nothing was done", "see the newest one: optsync run")
        due = marks.retry_now(house.conn, org_id, reason, run_number)
    out.show({"due": due}, f"{OK} {due:,} marks are due now." if due else f"{OK} Nothing waits to be tried again.")
    return FINE
