"""Reasons are kept for ever, so no address stays in them: an erasure could not reach it (rules 4)."""

from pathlib import Path

from optsync.ledger import holds, imports, lifts, people
from tests.flows.ledger.desk import KEY, Desk

ANN = "ann@example.com"
WORDS = "take Ann@Example.com off (also <bob@work.example>), please"
KEPT = "take [address] off (also <[address]>), please"


def said(desk: Desk) -> set[str]:
    """Every reason in the history; how a run ended or a mass change was held is no word of a person's."""
    spoken = "SELECT reason FROM event WHERE reason IS NOT NULL AND kind <> 'sync held'"
    return {row[0] for row in desk.conn.execute(spoken)}


def test_no_reason_keeps_an_address(desk: Desk, tmp_path: Path) -> None:
    recorded = desk.opt_out(ANN, reason=WORDS)
    hold = holds.hold_outbound(desk.conn, desk.org_id, "import old.csv", [(recorded.address_id, None)])
    holds.drop(desk.conn, KEY, hold, "kim", WORDS)
    assert people.erase(desk.conn, KEY, ANN, actor="kim", reason=WORDS)
    file = tmp_path / "unsubscribed.csv"
    file.write_text(f'Email Address,First Name,UNSUB_TIME,UNSUB_REASON\neve@example.com,Eve,2024-01-01,"{WORDS}"\n')
    imports.import_file(desk.conn, KEY, file)
    assert said(desk) == {KEPT}
    events = "SELECT count(*) FROM event e WHERE strpos(e::text, '@') > 0"
    assert desk.count(events) == 0


def test_the_reason_of_a_lift_keeps_no_address(desk: Desk) -> None:
    desk.opt_out(ANN)
    assert lifts.lift(desk.conn, KEY, ANN, mode="now", actor="kim", reason=WORDS) == "lifted"
    assert said(desk) == {KEPT}
