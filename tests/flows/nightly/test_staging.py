"""Bytes from Salesforce into temporary tables: no request begins while a COPY is open (architecture.md 4)."""

from typing import Any

import pytest
from psycopg.pq import TransactionStatus

from optsync.connection.sessions import open_session
from optsync.ledger import targets
from optsync.sync.staging import Reader
from tests.flows.nightly.house import House


def test_every_page_of_a_job_is_asked_for_while_no_statement_is_open(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        house.org.create("Lead", Email=f"p{number}@example.com", HasOptedOutOfEmail=True)
    house.org.behaviour(bulk_page_records=3)
    large = {f"ticked {name}": 1_000_000 for name in ("Lead", "Contact")}
    with open_session(house.conn, house.vault, house.org_id, house.seams) as session:
        reader = Reader(house.conn, session, house.seams, targets.fields(house.conn, house.org_id), sizes=large)
        seen, stream = [], session.stream

        def watched(*path: Any, **more: Any) -> Any:
            seen.append(house.conn.info.transaction_status)
            return stream(*path, **more)

        monkeypatch.setattr(session, "stream", watched)
        found = reader.read_ticked("staged", "ticked")
    assert found >= 7
    assert house.conn.execute("SELECT count(DISTINCT record_id) FROM staged").fetchone() == (found,)
    assert len(seen) >= 4
    assert set(seen) == {TransactionStatus.IDLE}
