"""The hash chain: verify it, or take it away to be verified elsewhere."""

import re
import sys
from typing import TYPE_CHECKING

import click

from optsync.cli.house import opened
from optsync.cli.output import BAD, OK, WARN, Output, with_output
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.ledger.chain import ChainState

UNSEALED_WARNS = 3
HEAD = re.compile(r"[0-9A-Fa-f]{64}")


@click.group()
def audit() -> None:
    """Verify or export the hash chain of events."""


@audit.command()
@click.option(
    "--head", "kept", metavar="HEX", help="A head kept elsewhere, such as a backup's: the chain must still contain it."
)
@with_output
def verify(out: Output, kept: str | None) -> int:
    """Recompute the chain from the first event on, after sealing what waits.

    Exit code 0: it holds and everything is sealed; 3: it holds, some events still wait; 1: it is broken.
    """
    from optsync.ledger import chain

    if kept is not None and not HEAD.fullmatch(kept):
        raise Problem("that is no head of a chain", "nothing was verified", "give the 64 hex digits of the head", 2)
    with opened(out) as house:
        chain.seal(house.conn)
        state = chain.verify(house.conn, kept)
    answer = {
        "ok": state.ok,
        "sealed": state.sealed,
        "unsealed": state.unsealed,
        "stray": state.stray,
        "head": state.head_hex,
        "keeps_head": state.keeps_head,
        "first_break": state.first_break,
    }
    if not state.ok:
        problem = problem_of(state)
        out.show(answer, f"{BAD} {problem.what}")
        raise problem
    waits = [f"{WARN} {state.unsealed:,} newer events wait for the sealer."] if state.unsealed else []
    out.show(answer, f"{OK} The chain holds: {state.sealed:,} events sealed.", f"  head {state.head_hex}", *waits)
    return UNSEALED_WARNS if state.unsealed else 0


def problem_of(state: "ChainState") -> Problem:
    """What is wrong with a chain that does not hold."""
    if state.first_break is None and state.stray == 0:
        return Problem(
            "the hash chain does not contain the head that was kept",
            "its end was cut off, or it was built anew, since that head was written down",
            "compare with the backup of that time: optsync audit export on both",
        )
    place = f"at seal {state.first_break}" if state.first_break else f"by {state.stray} events"
    return Problem(
        f"the hash chain is broken {place}",
        "an event was changed, removed or slipped in",
        "compare with a backup: optsync audit export on both, then look for the first different line",
    )


@audit.command()
@with_output
def export(out: Output) -> None:
    """Print every sealed event as JSON lines, each seal after its events; people are keyed hashes.

    Anyone can recompute the chain from them, on another machine and without optsync.
    """
    from optsync.ledger.chain import export_lines

    with opened(out) as house:
        for block in export_lines(house.conn):
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
