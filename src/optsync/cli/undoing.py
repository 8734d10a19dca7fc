"""Undo of a sync run."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, WARN, Output, interactive, with_output, with_yes
from optsync.cli.people import TYPED, operator
from optsync.core.problems import Problem
from optsync.core.record_ids import PREFIXES

if TYPE_CHECKING:
    from optsync.cli.house import House

WAITS = 5


@click.command()
@click.argument("run_number", type=int)
@click.option("--reason", type=TYPED, required=True, help="What went wrong; kept for ever.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--files",
    "folder",
    type=click.Path(file_okay=False, exists=True, writable=True, path_type=Path),
    metavar="FOLDER",
    help="Write the files for Data Loader that untick the boxes in Salesforce into FOLDER, one for each object.",
)
@with_output
def undo(out: Output, run_number: int, reason: str, yes: bool, folder: Path | None) -> int:
    """Take back what sync run RUN_NUMBER brought in by ticks: those people are unblocked here, and their ticks ignored.

    Nothing is written in Salesforce. Who has unsubscribed at any other door, or was ticked again since, stays as it is.
    Exit code 0: done; 5: it waits for a yes, or some are being sent at this moment: undo again in half a minute.
    """
    from optsync.sync.undo import look, undo_run

    with opened(out) as house:
        found = look(house.conn, house.subject_key, run_number)
        if not (yes or (interactive() and click.confirm(f"Unblock {found.lifted:,} people?", err=True))):
            raise Problem(
                f"the undo of sync run {run_number} waits for a yes: it would unblock {found.lifted:,} people",
                "nothing was changed; they stay blocked",
                f"repeat the command with --yes: {with_yes()}",
                WAITS,
            )
        done = undo_run(house.conn, house.subject_key, run_number, operator(), reason)
        written = write_files(house, run_number, folder) if folder else []
    lines = [f"{OK} {done.lifted:,} people unblocked; {done.stay:,} stay, opted out by others since."]
    if done.busy:
        lines.append(
            f"{WARN} {done.busy:,} are being sent at this moment; run the same command again in half a minute."
        )
    lines += [f"  {path}" for path in written]
    lines.append("  Their boxes are still ticked in Salesforce; untick them there with Data Loader (Update).")
    out.show({"run": run_number, "files": [str(path) for path in written]} | asdict(done), *lines)
    return WAITS if done.busy else 0


def write_files(house: "House", run_number: int, folder: Path) -> list[Path]:
    """One file for each object that has boxes to untick."""
    from optsync.ledger.undo import untick_file
    from optsync.sync.undo import ticks_of

    ticks, written = ticks_of(house.conn, run_number), []
    for kind in dict.fromkeys(PREFIXES.values()):
        if lines := list(untick_file(house.conn, ticks, kind)):
            path = folder / f"untick-run-{run_number}-{kind}.csv"
            path.write_text("".join(lines), encoding="utf-8", newline="")
            written.append(path)
    return written
