"""`optsync demo`: builds the stage, tells the story, stays up for a look around, takes everything down."""

import sys

import click

from optsync.cli.demo.stage import STOPPED, Stage, opened_stage
from optsync.cli.demo.story import STORY, Step, Told
from optsync.cli.frame import INTERRUPTED
from optsync.cli.house import end_like_ctrl_c
from optsync.cli.output import BAD, OK, Output, with_output
from optsync.core.problems import Problem
from optsync.ledger.balance import balance

FINE, FAILED = 0, 1


@click.command()
@click.option("--once", is_flag=True, help="Stop at the end of the story; so it is without a terminal.")
@click.option("--keep", is_flag=True, help="Keep the folders, for a look at the logs.")
@with_output
def demo(out: Output, once: bool, keep: bool) -> int:
    """An unsubscribe reaches Salesforce before your eyes, on a practice org.

    Starts a database, a Salesforce that runs here, a worker and the web pages, and plays the main job through: at once,
    at night, with a crash in the middle. No real Salesforce is touched. Exit code 0 only if both sides agree.
    """
    end_like_ctrl_c()
    once = once or out.as_json or not (sys.stdin.isatty() and sys.stdout.isatty())
    out.say("Practice org: no real Salesforce is touched. Setting the stage ...")
    try:
        with opened_stage(out.say, keep) as stage:
            answer = play(out, stage)
            if not once:
                stay(out, stage)
    except KeyboardInterrupt:
        out.say("\nStopped before the end.")
        return INTERRUPTED
    return FINE if answer["agree"] and answer["false_writes"] == 0 else FAILED


def play(out: Output, stage: Stage) -> dict[str, object]:
    """Tells the story and its figures; the answer for --json."""
    told = Told()
    tell = out.say if out.as_json else click.echo
    started = stage.seams.monotonic()
    for number, step in enumerate(STORY, 1):
        stage.demand_alive()
        tell(f"{number:>3}. {told_by(step, stage, told)}")
    seconds = stage.seams.monotonic() - started
    counts, spy = balance(stage.house.conn, stage.org_id), stage.org.spy()
    is_even = counts.agree and told.last_result.startswith("proved")
    answer: dict[str, object] = {
        "balance": counts.as_dict(),
        "agree": is_even,
        "false_writes": spy["false_writes"],
        "push_ms": told.push_ms,
        "nightly_seconds": told.nightly_seconds,
        "api_calls": spy["api_calls"],
    }
    boxes = counts.pairs + counts.no_address
    out.show(
        answer,
        "",
        f"{OK if is_even else BAD} {'Every opt-out is in Salesforce.' if is_even else 'Both sides do not agree.'}"
        f"   {counts.confirmed:,} of {boxes:,} boxes, {counts.recorded:,} people blocked",
        f"  People   {counts.recorded:,} = {counts.linked:,} with a Lead or Contact + {counts.not_linked:,} not linked",
        f"  Boxes    {boxes:,} = {counts.confirmed:,} confirmed + {counts.owed:,} on their way"
        f" + {counts.held:,} held + {counts.parked:,} parked",
        f"  Push {told.push_ms:.0f} ms, nightly {told.nightly_seconds:.1f} s, {spy['api_calls']:,} API calls,"
        f" {spy['false_writes']} writes of false, {seconds:.1f} s for the story",
    )
    return answer


def told_by(step: Step, stage: Stage, told: Told) -> str:
    """The sentence of a step. Raises Problem, naming the part, when one has ended in the middle of it."""
    from psycopg import OperationalError

    try:
        return step(stage, told)
    except OperationalError as error:
        raise Problem(f"the demo's database does not answer: {error}", STOPPED, "run it again") from None
    except Exception:
        stage.demand_alive()  # a part that is gone explains more than what its absence broke
        raise


def stay(out: Output, stage: Stage) -> None:
    """Keeps everything running until Ctrl-C, with the ways in."""
    from optsync.web.sign_in import make_link

    secret = make_link(stage.house.conn, stage.seams.token_bytes)
    out.say("")
    out.say(f"  Sign in once       {stage.url}/sign-in/{secret}")
    out.say(f"  The practice org   {stage.org.find_page('ann.demo@example.com')}")
    environment = stage.house.environment
    out.say(
        f"  In another window  export OPTSYNC_DATA_DIR={environment.data_dir} OPTSYNC_KEY_FILE={environment.key_file}"
    )
    out.say("  Ctrl-C stops; nothing is kept unless you add --keep.")
    try:
        stage.supervisor.run()
    except KeyboardInterrupt:
        out.say("\nStopping ...")
