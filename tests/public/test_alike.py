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
from optsync.ledger.record import opt_out
from optsync.public.flood import ANSWER_SECONDS, rest_of_the_slot
from optsync.public.recording import record
from optsync.public.tokens import UnsubscribeLink
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
        record(UnsubscribeLink(f"{who}@example.com"), "clicked link", "198.51.100.0/24", by_link=False)
        asked.append(tuple(TOLD))
    assert len(set(asked)) == 1
    assert len(asked[0]) == 1, "one statement, one round trip"


def test_an_answer_waits_for_the_end_of_a_tenth_of_a_second_also_when_the_work_took_longer() -> None:
    for worked in (0.0, 0.003, 0.04, 0.0999, 0.1001, 0.17, 1.23):
        slots = (worked + rest_of_the_slot(worked)) / ANSWER_SECONDS
        assert slots == pytest.approx(round(slots))
        assert 0 <= rest_of_the_slot(worked) <= ANSWER_SECONDS
    assert rest_of_the_slot(0.0) == ANSWER_SECONDS, "never at once"
