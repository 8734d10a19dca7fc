"""Verifying the chain in parts finds what verifying it as a whole finds."""

import pytest

from optsync.config.database import Connection
from optsync.ledger import chain


@pytest.fixture
def sealed(conn: Connection) -> Connection:
    """Twelve seals of a few events each."""
    for number in range(12):
        conn.execute("INSERT INTO event (kind, reason) SELECT 'made', %s FROM generate_series(1, 3)", [str(number)])
        chain.seal(conn)
    return conn


def parts(conn: Connection, events: int) -> tuple[int, int | None]:
    """Events verified part by part, and the first break."""
    after, verified = 0, 0
    while True:
        part = chain.verify_part(conn, after, events)
        verified += part.events
        if part.last is None or part.first_break is not None:
            return verified, part.first_break
        after = part.last


@pytest.mark.parametrize("events", [1, 3, 7, 1000])
def test_every_size_of_parts_sees_every_event(sealed: Connection, events: int) -> None:
    assert parts(sealed, events) == (36, None)
    assert chain.strays(sealed).ok


@pytest.mark.parametrize("events", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE event SET reason = 'x' WHERE event_id = (SELECT max(event_id) - 10 FROM event)",
        "DELETE FROM event WHERE event_id = (SELECT max(event_id) - 10 FROM event)",
        "DELETE FROM seal WHERE seal_no = 5",
        "UPDATE seal SET head = sha256(head) WHERE seal_no = 7",
        "UPDATE seal SET sealed_at = sealed_at + interval '1 second' WHERE seal_no = 12",
        "DELETE FROM seal WHERE seal_no = 1",
    ],
)
def test_what_was_tampered_with_is_found(sealed: Connection, events: int, tampering: str) -> None:
    for table in ("event", "seal"):
        sealed.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")
    sealed.execute(tampering)
    whole = chain.verify(sealed).first_break
    assert whole is not None
    assert parts(sealed, events)[1] == whole
