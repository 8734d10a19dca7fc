"""Opt-outs in and out as files."""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from optsync.cli.house import opened
from optsync.cli.output import Output, Ticker, with_output

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
            progress=lambda rows: ticker("Reading", rows),
            reject_path=rejects,
        )
    ticker.done()
    out.show(asdict(report), str(report))
    return 0


@click.command()
@with_output
def export(out: Output) -> None:
    """Print every active account-wide opt-out as CSV; with --json one object a line, with `address`."""
    from optsync.ledger.exports import export_opt_outs

    with opened(out) as house:
        for block in export_opt_outs(house.conn, "json lines" if out.as_json else "csv"):
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
