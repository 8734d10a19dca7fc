"""The form for damaged links does the same work for everybody: its answer tells nobody whom we know (threat T4)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from optsync import seams
from optsync.config import desk as desks
from optsync.config.database import Connection, Database
from optsync.config.vault import Vault
from optsync.ledger import holds
from optsync.ledger.check import may_mail
from optsync.ledger.record import opt_out
from optsync.public.flood import ANSWER_SECONDS, rest_of_the_slot
from optsync.public.recording import record, record_typed
from optsync.public.tokens import UnsubscribeLink
from optsync.public.unproved import AN_HOUR_MAX
from tests.servers import environment

TOLD: list[str] = []


class Telling(psycopg.Cursor[Any]):
    """A cursor that tells what it is asked."""

    def execute(self, query: Any, *values: Any, **options: Any) -> "Telling":
        TOLD.append(query if isinstance(query, str) else query.decode())
        return super().execute(query, *values, **options)


class TellingDatabase(Database):
    """The same database, through such cursors."""

    def connect(self, **arguments: Any) -> Connection:
        return super().connect(cursor_factory=Telling, **arguments)


@pytest.fixture
def vault(database: Database, tmp_path: Path) -> Iterator[Vault]:
    """The keys of an installation whose pages stand on the telling database."""
    made = Vault.load_or_create(environment(tmp_path), seams.real())
    before = desks._laid_out[:]
    desks.lay_out(TellingDatabase(database.dsn), made, seams.real())
    yield made
    desks.desk().connection().close()
    desks._laid_out[:] = before


def test_r33_known_unknown_and_opted_out_cost_the_same_statements(conn: Connection, vault: Vault) -> None:
    conn.execute("INSERT INTO address (normal) VALUES ('known@example.com')")
    opt_out(conn, vault.subject_key, "out@example.com", "manual")
    desks.desk().connection()
    asked = []
    for who in ("known", "unknown", "out", "out", "unknown"):
        TOLD.clear()
        record_typed(f"{who}@example.com", "198.51.100.0/24", "")
        asked.append(tuple(TOLD))
    assert len(set(asked)) == 1


def test_many_typed_addresses_are_blocked_and_kept_from_salesforce(conn: Connection, vault: Vault) -> None:
    people = [f"p{number}@example.com" for number in range(AN_HOUR_MAX + 3)]
    for address in people:
        record_typed(address, "198.51.100.0/24", "")
    record(UnsubscribeLink("linked@example.com"), "clicked link", "198.51.100.0/24")
    assert not any(verdict.allowed for verdict in may_mail(conn, vault.subject_key, [*people, "linked@example.com"]))
    (held,) = holds.undecided(conn)
    assert (held.origin, held.addresses) == ("the form for damaged links", 3)


def test_an_answer_waits_for_the_end_of_a_tenth_of_a_second_also_when_the_work_took_longer() -> None:
    for worked in (0.0, 0.003, 0.04, 0.0999, 0.1001, 0.17, 1.23):
        slots = (worked + rest_of_the_slot(worked)) / ANSWER_SECONDS
        assert slots == pytest.approx(round(slots))
        assert 0 <= rest_of_the_slot(worked) <= ANSWER_SECONDS
    assert rest_of_the_slot(0.0) == ANSWER_SECONDS, "never at once"
