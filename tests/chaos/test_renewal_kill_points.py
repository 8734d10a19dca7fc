"""Every kill point of a renewal where refresh tokens rotate, before and after each effect, by SIGKILL.

Between Salesforce's answer and our commit a next token cannot be saved by anybody. Dying there costs the approval and
nothing else: opt-outs wait, one error says what to do, and after a new consent everything is sent. Any other death
costs nothing.
"""

from contextlib import closing
from functools import partial
from itertools import count

from optsync.connection.sessions import unchecked_session
from optsync.ledger import marks
from tests.chaos.killing import Boundaries, counted, live
from tests.chaos.test_push_kill_points import MOMENTS, is_number, moment
from tests.flows.push.test_refresh_tokens import connect_by_consent
from tests.flows.push.world import World

LOST_BEFORE = ["sql: UPDATE connection SET credential = %(credential)s WHERE org_"]
LOST_AFTER = ["http: POST /services/oauth2/token"]


def renew(world: World, _boundaries: Boundaries) -> None:
    """One life: a session of its own asks for something, and so signs in first."""
    with closing(world.database.connect()) as conn:
        session, _ = unchecked_session(conn, world.vault, world.org_id, world.seams)
        with session:
            session.request("GET", "limits")


@MOMENTS
def test_a_renewal_killed_anywhere_loses_no_opt_out_and_only_between_answer_and_commit_the_approval(
    world: World, after_effect: bool
) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    connect_by_consent(world)
    lost = []
    for number in count(1):
        lead = world.org.create("Lead", Email=f"k{number}@example.com")
        world.opt_out(f"k{number}@example.com")
        met, died = live(partial(renew, world), is_number(number), after_effect=after_effect)
        world.org.expire_sessions()
        world.push_again()
        if not world.is_ticked(lead):
            (pause,) = marks.pauses(world.conn)
            assert "expired access/refresh token" in pause.message
            lost.append(met[-1].partition(" #")[0])
            connect_by_consent(world)
            world.push_again()
        assert world.is_ticked(lead), met[-1]
        world.check_safe()
        if not died:
            break
    print(f"renewal: {number - 1} deaths {moment(after_effect)} the effect ({counted(met)}), {len(lost)} approval lost")
    assert lost == (LOST_AFTER if after_effect else LOST_BEFORE)
    assert number > 8
