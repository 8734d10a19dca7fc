"""Compliance data of people: set by hand or by a file, audited, no opt-out, gone with an erasure (requirement 43)."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from optsync.config.database import Connection
from optsync.ledger import compliance, imports, people
from optsync.ledger.compliance import Compliance
from optsync.ledger.imports import ImportReport
from optsync.ledger.layouts import Columns
from tests.flows.ledger.desk import KEY, Desk, contact

CONSENT = {"authorization_type": "consent", "consent_date": "2024-05-01", "consent_purpose": "news"}
ANN, BOB = "ann@example.com", "bob@example.com"


def set_for(desk: Desk, *addresses: str, **given: str) -> int:
    numbers = [desk.find(address).address_id for address in addresses]
    return compliance.set_for(desk.conn, KEY, numbers, compliance.understand(desk.conn, given), actor="kim")


def of(desk: Desk, address: str) -> Compliance:
    return compliance.find(desk.conn, desk.find(address).address_id)


def load(desk: Desk, folder: Path, *lines: str, columns: Columns | None = None, dry_run: bool = False) -> ImportReport:
    path = folder / "people.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rejects = folder / "rejects.csv"
    return imports.import_file(desk.conn, KEY, path, actor="kim", columns=columns, reject_path=rejects, dry_run=dry_run)


@pytest.fixture(autouse=True)
def known(desk: Desk) -> None:
    """Two people."""
    desk.opt_out(ANN)
    desk.link(BOB, contact(1))


def test_r43_who_set_it_and_when_is_kept_and_stands_in_the_history(desk: Desk) -> None:
    assert set_for(desk, ANN, BOB, **CONSENT) == 2
    found = of(desk, ANN)
    assert (found.cells | CONSENT, found.set_by, found.set_at is not None) == (found.cells, "kim", True)
    assert set_for(desk, ANN, BOB, **CONSENT) == 0, "nothing is different"
    assert set_for(desk, ANN, source_type="import") == 1
    assert of(desk, ANN).consent_purpose == "news", "the other half stays"
    history = people.timeline(desk.conn, KEY, ANN)
    assert [(e.kind, e.actor, e.evidence) for e in history[1:]] == [
        ("compliance set", "kim", CONSENT),
        ("compliance set", "kim", CONSENT | {"source_type": "import"}),
    ]


def test_r43_a_consent_is_no_re_subscribe(desk: Desk) -> None:
    set_for(desk, ANN, **CONSENT)
    assert desk.is_blocked(ANN)
    set_for(desk, BOB, authorization_type="legitimate interest")
    assert not desk.is_blocked(BOB)
    assert desk.balance().recorded == 1


def test_no_text_keeps_an_address(desk: Desk) -> None:
    set_for(desk, ANN, authorization_type="other", authorization_note=f"wrote from {ANN}")
    assert of(desk, ANN).authorization_note == "wrote from [address]"
    assert desk.count("SELECT count(*) FROM event e WHERE strpos(e::text, '@') > 0") == 0


def test_r43_an_erasure_takes_it_along_and_nothing_is_kept_about_the_erased(desk: Desk, tmp_path: Path) -> None:
    set_for(desk, ANN, **CONSENT)
    number = desk.find(ANN).address_id
    people.erase(desk.conn, KEY, ANN, actor="kim", reason="article 17")
    assert compliance.find(desk.conn, number) == Compliance()
    change = compliance.understand(desk.conn, CONSENT)
    assert compliance.set_for(desk.conn, KEY, [number], change, actor="kim") == 0
    report = load(desk, tmp_path, "email,authorization type,source type", f"{ANN},legitimate interest,import")
    assert (report.compliance, report.erased) == (0, 1)
    assert desk.count("SELECT count(*) FROM compliance") == 0
    assert desk.count("SELECT count(*) FROM address WHERE normal = %s", ANN) == 0


def test_r43_a_file_sets_it_and_what_does_not_go_together_comes_back_with_the_reason(
    desk: Desk, tmp_path: Path
) -> None:
    lines = (
        "E-mail,Authorization Type,Date of Consent,Purpose of Processing,Source type",
        "ann@example.com,Consent,2024-05-01,news,CRM Sync",
        "new@example.com,,,,Manual Upload",
        "no.purpose@example.com,Consent,2024-05-01,,",
        "typo@example.com,Consnet,,,",
        "nothing@example.com,,,,",
    )
    would = load(desk, tmp_path, *lines, dry_run=True)
    assert (would.layout, would.compliance, would.bad, would.skipped) == ("compliance data", 2, 2, 1)
    assert of(desk, ANN) == Compliance()
    done = load(desk, tmp_path, *lines)
    assert (done.compliance, done.rows, done.duplicates, done.linked) == (2, 5, 0, 0)
    assert done.reasons == {"a consent needs its date and its purpose": 1, "no such authorization type": 1}
    assert of(desk, ANN).cells == CONSENT | {"source_type": "crm sync", "authorization_note": "", "source_note": ""}
    assert of(desk, "new@example.com").source_type == "manual upload"
    assert not desk.is_blocked("new@example.com")
    assert people.find(desk.conn, KEY, "typo@example.com") is None
    assert (tmp_path / "rejects.csv").read_text().splitlines()[1].startswith("4,a consent needs its date")
    assert people.timeline(desk.conn, KEY, ANN)[-1].source == "import"


def test_r42_columns_that_a_person_chose(desk: Desk, tmp_path: Path) -> None:
    columns = Columns("people", address=1, compliance={"authorization_type": 0})
    report = load(desk, tmp_path, "Grundlage,Adresse", f"legitimate interest,{BOB}", columns=columns)
    assert (report.layout, report.compliance) == ("own columns", 1)
    assert of(desk, BOB).authorization_type == "legitimate interest"


def test_a_report_with_ids_may_carry_it_too(desk: Desk, tmp_path: Path) -> None:
    report = load(desk, tmp_path, "Contact ID,Email,Source type", f"{contact(2)},{BOB},Import", f"{contact(3)},{BOB},")
    assert (report.linked, report.compliance, report.layout) == (2, 1, "Salesforce report")


def test_the_database_refuses_what_does_not_go_together(desk: Desk) -> None:
    from psycopg.errors import CheckViolation

    for values in ("'consent', NULL, NULL", "'other', '2024-01-01', 'news'", "'whatever', NULL, NULL"):
        with pytest.raises(CheckViolation):
            desk.conn.execute(
                "INSERT INTO compliance (set_at, set_by, address_id, authorization_type, consent_date, consent_purpose)"
                f" VALUES (clock(), 'kim', 1, {values})"
            )


def test_r43_an_erasure_at_the_same_moment_wins(desk: Desk) -> None:
    number, change = desk.find(ANN).address_id, compliance.understand(desk.conn, CONSENT)
    changed: list[int] = []

    def set_it(conn: Connection) -> None:
        changed.append(compliance.set_for(conn, KEY, [number], change, actor="kim"))

    with ExitStack() as stack, desk.conn.transaction():
        people.erase(desk.conn, KEY, ANN, actor="kim", reason="article 17")
        stack.enter_context(desk.meanwhile(set_it))
    assert changed == [0]
    assert desk.count("SELECT count(*) FROM compliance") == 0
