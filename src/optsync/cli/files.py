"""Opt-outs in and out as files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, WARN, Output, Ticker, with_output
from optsync.cli.people import TYPED, operator

if TYPE_CHECKING:
    from optsync.ledger.exports import Format, What
    from optsync.ledger.imports import ImportReport

WITH_REJECTS, HELD = 3, 5
MEANINGS = {
    "opt-outs": "its people are opted out.",
    "people": "Salesforce records are linked and compliance data recorded; nobody is opted out.",
}


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Read and count; write nothing.")
@click.option("--yes", is_flag=True, help="Do not hold a mass change for a decision: you have seen the dry run.")
@click.option("--org", help="Where Salesforce ids belong, when several orgs are connected.")
@click.option(
    "--column",
    "columns",
    type=TYPED,
    multiple=True,
    metavar="NAME=COLUMN",
    help="Which column, by its header or its number from 1, holds address, record_id, at, reason, authorization_type"
    " and so on (optsync compliance --help); once for each. Without it the layout is recognised.",
)
@click.option("--people", is_flag=True, help="With --column: rows are people; link and record them, opt nobody out.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Bad rows as CSV, with a reason each.",
)
@with_output
def import_(
    out: Output,
    file: Path,
    dry_run: bool,
    yes: bool,
    org: str | None,
    columns: tuple[str, ...],
    people: bool,
    rejects: Path | None,
) -> int:
    """Read the unsubscribes in FILE, as other mail tools export them.

    Mailchimp, SendGrid, Mailgun, HubSpot, plain lists and Salesforce reports with ids are recognised. Good rows are
    kept, bad ones come back with a reason; the same file twice changes nothing. A file of people with Salesforce ids
    or compliance data only links and records them, and opts nobody out. Exit code 3: there were bad rows; 5: so many
    at once that their boxes wait.

    Any other table is read by its columns: optsync import FILE --column address="E-Mail" --column at=3
    """
    from optsync.ledger.imports import columns_named, import_file

    named = {part.partition("=")[0]: part.partition("=")[2] for part in columns}
    ticker = Ticker()
    with opened(out) as house:
        report = import_file(
            house.conn,
            house.subject_key,
            file,
            org_id=house.org_id(org) if org else None,
            dry_run=dry_run,
            confirmed=yes,
            actor=operator(),
            progress=lambda phase, done, total: ticker(phase.capitalize(), f"{100 * done // max(total, 1)} %"),
            recognised=lambda layout: out.say(f"  Read as {layout.name}: {MEANINGS[layout.purpose]}"),
            reject_path=rejects,
            columns=columns_named(file, "people" if people else "opt-outs", named),
        )
        ticker.done()
    out.show(report.as_dict(), *lines_of(report))
    if report.held and not dry_run:
        return HELD
    return WITH_REJECTS if report.bad else 0


def lines_of(report: "ImportReport") -> list[str]:
    """What an import did or would do, for the eye."""
    if report.seen_before_at:
        when = f"{report.seen_before_at:%Y-%m-%d %H:%M}"
        return [f"{OK} {report.name} was imported on {when} UTC; nothing was changed.", *reject_lines(report)]
    would, rows = "would be " if report.dry_run else "", counted(report.rows, "row")
    lines = [f"  {report.name}: {report.layout}, {rows}"]
    if report.purpose == "people":
        linked = f"{counted(report.linked, 'Salesforce record')} {would}linked"
        lines.append(f"{OK} {linked}; nobody {would or 'was '}opted out: the file does not say so")
        if report.compliance:
            lines.append(f"{OK} compliance data of {report.compliance:,} {would or 'were '}recorded")
        if report.erased:
            lines.append(f"{WARN} {report.erased:,} were erased here: nothing {would or 'was '}recorded about them")
    else:
        lines.append(f"{OK} {report.new + report.again:,} {would}unsubscribed, {report.already:,} were already")
        lines += [f"{OK} {counted(report.linked, 'Salesforce record')} {would}linked"] if report.linked else []
    if report.duplicates:
        lines.append(f"  {report.duplicates:,} of the rows repeat an address")
    if report.skipped:
        passed = (
            "say nothing about a person: passed over" if report.purpose == "people" else "say that nobody opted out"
        )
        lines.append(f"  {report.skipped:,} of the rows {passed}")
    lines += reject_lines(report)
    if report.held:
        lines.append(f"{WARN} So many at once {would or 'are '}held: blocked here, their boxes wait for a decision.")
        lines.append("  Sure? Repeat with --yes." if report.dry_run else "  Decide: optsync hold list")
    if report.dry_run:
        lines.append("  Nothing was written.")
    return lines


def reject_lines(report: "ImportReport") -> list[str]:
    """How many rows were not taken, why, and where they are."""
    if not report.bad:
        return []
    where = f": {report.reject_path}" if report.reject_path else "; to get them as CSV, repeat with --rejects FILE"
    reasons = sorted(report.reasons.items(), key=lambda item: -item[1])
    lines = [f"{WARN} {counted(report.bad, 'row')} came back, with a reason each{where}"]
    return lines + [f"    {count:>7,}  {reason}" for reason, count in reasons]


def counted(number: int, noun: str) -> str:
    """1 row, 2 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@click.command()
@click.argument("what", type=click.Choice(("opt-outs", "people", "ids", "evidence")), default="opt-outs")
@click.option("--org", help="Whose ids, when several orgs are connected.")
@with_output
def export(out: Output, what: "What", org: str | None) -> None:
    """Print what is known as CSV; with --json one object a line, with `address`.

    opt-outs: every active account-wide opt-out, and what is printed without a word. people: everybody, unsubscribed or
    not, with compliance data. ids: the Salesforce records of people with the state of their boxes. evidence: each
    person with the whole history, one JSON object a line.

    An import of opt-outs, people or ids restores them. Erased people are left out. Each export stands in the audit.
    """
    from optsync.ledger.exports import export as exported

    with opened(out) as house:
        org_id = house.org_id(org) if what == "ids" else None
        lines: Format = "json lines" if out.as_json else "csv"
        for block in exported(house.conn, house.subject_key, what, actor=operator(), format=lines, org_id=org_id):
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
