"""Slices of a mass change are braked as one, also when they come at the same moment (rules 8)."""

from concurrent.futures import ThreadPoolExecutor

from optsync.config.database import Connection, Database
from optsync.core.brake import HELD_ABOVE_ADDRESSES
from optsync.ledger import acts, holds
from optsync.ledger.batches import Wanted, opt_out_all, origin_of

KEY, SLICE, SLICES = b"k" * 32, 100, 12


def take(conn: Connection, number: int, actor: str = "crm") -> int | None:
    """One slice, as the API takes it; the hold that it joined."""
    wanted = [Wanted(f"s{number}-{n}@example.com", "api") for n in range(SLICE)]
    act = acts.begin(conn, origin_of(actor), len(wanted))
    done = opt_out_all(conn, KEY, wanted, actor=actor, earlier=act.earlier)
    acts.settle(conn, act, done.changed)
    return done.hold_id


def test_slices_at_the_same_moment_never_get_past_the_brake(database: Database, conn: Connection) -> None:
    def slice_of(number: int) -> int | None:
        with database.connect() as own:
            return take(own, number)

    with ThreadPoolExecutor(6) as pool:
        held = list(pool.map(slice_of, range(SLICES)))
    assert held.count(None) * SLICE <= HELD_ABOVE_ADDRESSES
    assert sum(hold.addresses for hold in holds.undecided(conn)) == SLICE * (SLICES - held.count(None))
    assert conn.execute("SELECT count(*) FROM opt_out").fetchone() == (SLICE * SLICES,), "everybody is blocked"


def test_others_and_an_hour_ago_do_not_count(conn: Connection) -> None:
    for number in range(5):
        assert take(conn, number) is None
    assert take(conn, 5, "somebody else") is None
    assert take(conn, 6) is not None
    conn.execute("UPDATE act SET at = at - interval '61 minutes'")
    assert take(conn, 7) is None


def test_what_was_known_before_does_not_count(conn: Connection) -> None:
    for _ in range(10):
        assert take(conn, 0) is None
    (counted,) = conn.execute("SELECT sum(people) FROM act").fetchone() or (None,)
    assert counted == SLICE


def test_acts_of_yesterday_are_forgotten(conn: Connection) -> None:
    take(conn, 0)
    conn.execute("UPDATE act SET at = at - interval '25 hours'")
    take(conn, 1)
    assert conn.execute("SELECT count(*) FROM act").fetchone() == (1,)
