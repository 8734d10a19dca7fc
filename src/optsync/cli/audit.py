"""The hash chain: verify it, or take it away to be verified elsewhere."""

import sys

import click

from optsync.cli.house import opened
from optsync.cli.output import BAD, OK, WARN, Output, with_output
from optsync.core.problems import Problem

UNSEALED_WARNS = 3


@click.group()
def audit() -> None:
    """Verify or export the hash chain of events."""


@audit.command()
@with_output
def verify(out: Output) -> int:
    """Recompute the chain from the first event on, after sealing what waits.

    Exit code 0: it holds and everything is sealed; 3: it holds, some events still wait; 1: it is broken.
    """
    from optsync.ledger import chain

    with opened(out) as house:
        chain.seal(house.conn)
        state = chain.verify(house.conn)
    answer = {
        "ok": state.ok,
        "sealed": state.sealed,
        "unsealed": state.unsealed,
        "stray": state.stray,
        "head": state.head_hex,
        "first_break": state.first_break,
    }
    if not state.ok:
        place = f"at seal {state.first_break}" if state.first_break else f"by {abs(state.stray)} events"
        out.show(answer, f"{BAD} The chain is broken {place}.")
        raise Problem(
            f"the hash chain is broken {place}",
            "an event was changed, removed or slipped in after it was sealed",
            "compare with a backup: optsync audit export on both, then look for the first different line",
        )
    waits = [f"{WARN} {state.unsealed:,} newer events wait for the sealer."] if state.unsealed else []
    out.show(answer, f"{OK} The chain holds: {state.sealed:,} events sealed.", f"  head {state.head_hex}", *waits)
    return UNSEALED_WARNS if state.unsealed else 0


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
