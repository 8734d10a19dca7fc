"""Opt-outs in and out as files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, WARN, Output, Ticker, with_output
from optsync.cli.people import operator

if TYPE_CHECKING:
    from optsync.ledger.imports import ImportReport

WITH_REJECTS, HELD = 3, 5


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Read and count; write nothing.")
@click.option("--yes", is_flag=True, help="Do not hold a mass change for a decision: you have seen the dry run.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Bad rows as CSV, with a reason each.",
)
@with_output
def import_(out: Output, file: Path, dry_run: bool, yes: bool, rejects: Path | None) -> int:
    """Read the unsubscribes in FILE, as other mail tools export them.

    Mailchimp, SendGrid, Mailgun, HubSpot, plain lists and Salesforce reports with ids are recognised. Good rows are
    kept, bad ones come back with a reason; the same file twice changes nothing. Exit code 3: there were bad rows.
    """
    from optsync.ledger.imports import import_file

    ticker = Ticker()
    with opened(out) as house:
        report = import_file(
            house.conn,
            house.subject_key,
            file,
            dry_run=dry_run,
            confirmed=yes,
            actor=operator(),
            progress=lambda phase, done, total: ticker(f"{phase.capitalize()} {100 * done // max(total, 1)} %"),
            reject_path=rejects,
        )
        ticker.done()
    out.show(report.as_dict(), *lines_of(report))
    if report.held and not dry_run:
        return HELD
    return WITH_REJECTS if report.bad else 0


def lines_of(report: "ImportReport") -> list[str]:
    """What an import did or would do, for the eye."""
    if report.seen_before_at:
        return [f"{OK} {report.name} was imported on {report.seen_before_at:%Y-%m-%d %H:%M} UTC; nothing new."]
    would = "would be " if report.dry_run else ""
    lines = [f"  {report.name}: {report.layout}, {report.rows:,} rows"]
    if report.purpose != "people":
        lines.append(f"{OK} {report.new + report.again:,} {would}unsubscribed, {report.already:,} were already")
    if report.linked:
        lines.append(f"{OK} {report.linked:,} Salesforce records {would}linked")
    lines += [f"  {report.duplicates:,} rows repeat an address"] if report.duplicates else []
    lines += [f"  {report.skipped:,} rows say that nobody opted out"] if report.skipped else []
    if report.bad:
        where = f": {report.reject_path}" if report.reject_path else "; keep them with --rejects FILE"
        lines.append(f"{WARN} {report.bad:,} rows were not taken, with a reason each{where}")
    if report.held:
        lines.append(f"{WARN} So many at once {would or 'are '}held: blocked here, their boxes wait for a decision.")
        lines.append("  Sure? Repeat with --yes." if report.dry_run else "  Decide: optsync hold list")
    if report.dry_run:
        lines.append("  Nothing was written.")
    return lines


@click.command()
@with_output
def export(out: Output) -> None:
    """Print every active account-wide opt-out as CSV; with --json one object a line, with `address`."""
    from optsync.ledger.exports import export_opt_outs

    with opened(out) as house:
        for block in export_opt_outs(house.conn, "json lines" if out.as_json else "csv"):
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
