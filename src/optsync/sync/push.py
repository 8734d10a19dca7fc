"""Push: what is owed to one org is looked up, read, followed and ticked, and settled by what Salesforce said.

Order: look-ups -> claim -> read before write -> relink and follow -> confirm what is true already without a write ->
check that the claims are still ours -> tick -> settle. Redoing any of it is harmless; nothing but `true` is ever sent.
"""

from collections.abc import Sequence
from typing import Final

import psycopg

from optsync.connection.sessions import check_org
from optsync.core.problems import Problem
from optsync.core.rejections import RetryClass, explain
from optsync.core.retry import next_delay_seconds
from optsync.ledger import marks
from optsync.ledger.marks import ClaimedMark
from optsync.salesforce.errors import (
    ApiRefused,
    BadCredential,
    Busy,
    HostRefused,
    LimitExceeded,
    SalesforceError,
    SessionRefused,
    SignInRefused,
)
from optsync.sync import lookups
from optsync.sync.batch import Batch, PushResult
from optsync.sync.line import HIDDEN_SECONDS, Line
from optsync.sync.records import Row

MARKS_PER_CLAIM: Final = 1_000
"""Five update calls share one read per object; with more, a lift would wait longer for the claim in flight. What the
look-ups of a round find comes on top."""
AWAY_SECONDS_MIN: Final = 1.0
AWAY_SECONDS_MAX: Final = 60.0
RETRY_AFTER_SECONDS_MAX: Final = 3600.0
NEEDS_CONNECT: Final = "CONNECT"
"""The code of a pause that is ours, not Salesforce's: the credential leads elsewhere or cannot be read."""


def push_due(line: Line, limit: int = MARKS_PER_CLAIM) -> PushResult:
    """Does one round for one org and settles everything it claimed.

    Trouble with Salesforce never leaves as an exception: it becomes a pause or a mark's reason. Raises psycopg.Error
    when the database is away (the claims are void once the worker's session is gone).
    """
    result = PushResult()
    try:
        check_org(line.session, line.salesforce_id)
    except (SalesforceError, Problem) as error:
        stop_org(line, error)
        return result
    with line.claiming:
        # Together, so that the marks of the addresses we look up are ours too and need no read of their own.
        wanted = lookups.claim(line)
        claimed = marks.claim(line.conn, line.worker_no, line.org_id, limit)
    result.looked_up, result.more = len(wanted), len(claimed) == limit
    found = _look_up(line, wanted, claimed)
    if found is None:
        return result
    if found.owed:
        # What the look-ups have just found is the newest there is: it does not wait behind a backlog.
        count = min(found.owed, MARKS_PER_CLAIM)
        with line.claiming:
            claimed += marks.claim(line.conn, line.worker_no, line.org_id, count, newest=count)
    result.claimed = len(claimed)
    if claimed:
        push_claimed(line, claimed, result, found.rows)
    return result


def _look_up(line: Line, wanted: lookups.Wanted, claimed: Sequence[ClaimedMark]) -> lookups.Found | None:
    """What the look-ups found; None, with the marks given back, when the org is in trouble."""
    try:
        return lookups.look_up(line, wanted)
    except SalesforceError as error:
        stop_org(line, error)
        _give_back(line, claimed)
        return None
    except psycopg.OperationalError:
        raise
    except Exception:
        _give_back(line, claimed)
        raise


def _give_back(line: Line, claimed: Sequence[ClaimedMark]) -> None:
    if claimed:
        marks.release(line.conn, line.worker_no, line.org_id, [mark.key for mark in claimed])


def push_claimed(
    line: Line, claimed: Sequence[ClaimedMark], result: PushResult, seen: dict[str, Row] | None = None
) -> None:
    """Brings claimed marks to an end. `seen` are records read a moment ago; they are not read again."""
    batch = Batch(line, result, {mark.key: mark for mark in claimed})
    try:
        line.look_for_fields(mark.field for mark in claimed)
        batch.run(seen or {})
        line.failures = 0
    except SalesforceError as error:
        stop_org(line, error)
        batch.put_back()
    except psycopg.OperationalError:
        line.unsettled += batch.sent
        raise
    except Exception as error:
        # A fault of ours must neither hold these claims for as long as this worker lives nor spin on them.
        batch.put_off_all(f"optsync failed ({type(error).__name__})")
        raise


def stop_org(line: Line, error: SalesforceError | Problem) -> None:
    """Pauses the org's pushes after trouble that concerns them all; one alert, and every mark just waits."""
    if isinstance(error, Problem):
        code, message, seconds = NEEDS_CONNECT, error.what, HIDDEN_SECONDS
    else:
        code, message, seconds = error.code or type(error).__name__, error.message, _pause_seconds(line, error)
    line.failures += 1
    marks.pause(line.conn, line.org_id, 0, "", seconds, code, message)


def _pause_seconds(line: Line, error: SalesforceError) -> float:
    chance = line.seams.random.random()
    retry = explain(error.code, error.text).retry if isinstance(error, ApiRefused) else None
    if isinstance(error, LimitExceeded):
        return next_delay_seconds(RetryClass.LIMIT, line.failures + 1, chance)
    if isinstance(error, SignInRefused | SessionRefused | BadCredential | HostRefused) or retry is RetryClass.RECONNECT:
        return next_delay_seconds(RetryClass.RECONNECT, line.failures + 1, chance)
    if retry is RetryClass.PAUSE:
        return HIDDEN_SECONDS
    if isinstance(error, Busy) and error.retry_after_seconds is not None:
        return min(error.retry_after_seconds, RETRY_AFTER_SECONDS_MAX)
    return min(AWAY_SECONDS_MAX, AWAY_SECONDS_MIN * 2.0 ** min(line.failures, 10)) * (0.5 + chance)
