"""Exports: safe to open in a spreadsheet, exact to import again, audited, and of any size in the same memory."""

import csv
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from optsync.ledger import compliance, exports, imports, people
from optsync.ledger.exports import Format, What
from tests.flows.ledger.desk import KEY, Desk, contact, lead

MEMORY_BYTES_MAX = 20_000_000

ODD = [
    "=cmd@example.com",
    "+plus@example.com",
    "-dash@example.com",
    "'=quoted@example.com",
    "' =spaced@example.com",
    "o'hara@example.com",
]


def exported(desk: Desk, what: What = "opt-outs", format: Format = "csv") -> bytes:  # noqa: A002
    org_id = desk.org_id if what == "ids" else None
    return b"".join(exports.export(desk.conn, KEY, what, actor="kim", format=format, org_id=org_id))


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def audits(desk: Desk) -> list[tuple[str, dict[str, Any]]]:
    """Who exported what, oldest first."""
    return desk.conn.execute("SELECT actor, evidence FROM event WHERE kind = 'exported' ORDER BY event_id").fetchall()


def people_of_all_kinds(desk: Desk) -> None:
    """Unsubscribed, linked, with compliance data, with an odd address, and erased."""
    desk.opt_out("ann@example.com", "one-click")
    desk.link("ann@example.com", contact(1), lead(1))
    desk.link("=odd@example.com", contact(2))
    desk.link("eve@example.com", contact(3))
    people.erase(desk.conn, KEY, "eve@example.com", actor="kim", reason="article 17")
    number = desk.find("=odd@example.com").address_id
    said = {"authorization_type": "consent", "consent_date": "2024-05-01", "consent_purpose": "News, offers"}
    change = compliance.understand(desk.conn, said | {"source_type": "crm sync"})
    assert compliance.set_for(desk.conn, KEY, [number], change, actor="kim") == 1


def test_the_active_account_wide_opt_outs_are_exported_and_nobody_else(desk: Desk) -> None:
    desk.opt_out("ann@example.com", "one-click")
    desk.opt_out("waits@example.com")
    desk.lift("waits@example.com", "when-unticked")
    desk.opt_out("lifted@example.com")
    desk.lift("lifted@example.com")
    desk.opt_out("sender@example.com", scope=3)
    desk.opt_out("erased@example.com")
    people.erase(desk.conn, KEY, "erased@example.com", actor="kim", reason="article 17")
    rows = rows_of(exported(desk))
    assert [(row["address"], row["source"]) for row in rows] == [
        ("ann@example.com", "one-click"),
        ("waits@example.com", "manual"),
    ]


def test_no_cell_is_a_formula_and_an_import_restores_every_address(desk: Desk, tmp_path: Path) -> None:
    for address in ODD:
        desk.opt_out(address)
    data = exported(desk)
    cells = [row[0] for row in csv.reader(io.StringIO(data.decode()))][1:]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]

    file = tmp_path / "export.csv"
    file.write_bytes(data)
    report = imports.import_file(desk.conn, KEY, file)

    assert report.layout == "optsync export"
    assert (report.new, report.already, report.bad) == (0, len(ODD), 0)
    assert exported(desk) == data


def test_json_lines_hold_one_object_with_the_address_each(desk: Desk) -> None:
    desk.opt_out('"odd\\ name"@example.com')
    desk.opt_out("rené@example.com")
    lines = exported(desk, format="json lines").decode().splitlines()
    assert [json.loads(line)["address"] for line in lines] == ['"odd\\ name"@example.com', "rené@example.com"]


def test_an_empty_ledger_exports_the_header_only(desk: Desk) -> None:
    assert exported(desk) == b"address,since,source\n"


def test_r43_people_are_exported_with_their_compliance_data(desk: Desk) -> None:
    people_of_all_kinds(desk)
    odd, ann = rows_of(exported(desk, "people"))
    assert (ann["address"], ann["unsubscribed"], ann["source"]) == ("ann@example.com", "true", "one-click")
    assert ann["authorization_type"] == ""
    assert (odd["address"], odd["unsubscribed"], odd["set_by"]) == ("'=odd@example.com", "false", "kim")
    assert (odd["consent_date"], odd["consent_purpose"], odd["source_type"]) == (
        "2024-05-01",
        "News, offers",
        "crm sync",
    )


def test_ids_are_exported_with_the_state_of_each_box(desk: Desk) -> None:
    people_of_all_kinds(desk)
    desk.confirm_all()
    rows = [tuple(row.values()) for row in rows_of(exported(desk, "ids"))]
    assert rows == [
        ("'=odd@example.com", "Contact", contact(2), "", ""),
        ("ann@example.com", "Contact", contact(1), "Email Opt Out", "confirmed"),
        ("ann@example.com", "Lead", lead(1), "Email Opt Out", "confirmed"),
    ]


def test_r43_evidence_in_bulk_is_a_line_for_each_person_with_the_whole_history(desk: Desk) -> None:
    people_of_all_kinds(desk)
    odd, ann = (json.loads(line) for line in exported(desk, "evidence").splitlines())
    assert (ann["address"], [event["kind"] for event in ann["events"]]) == (
        "ann@example.com",
        desk.kinds("ann@example.com"),
    )
    assert [record["record_id"] for record in ann["records"]] == [contact(1), lead(1)]
    assert (ann["opt_outs"][0]["source"], ann["compliance"]) == ("one-click", None)
    assert (odd["address"], odd["compliance"]["consent_purpose"]) == ("=odd@example.com", "News, offers")
    assert odd["events"][-1]["kind"] == "compliance set"


@pytest.mark.parametrize("what", ["opt-outs", "people", "ids"])
def test_r43_an_export_that_is_imported_again_changes_nothing(desk: Desk, tmp_path: Path, what: What) -> None:
    people_of_all_kinds(desk)
    file = tmp_path / "export.csv"
    data = exported(desk, what)
    file.write_bytes(data)
    before = desk.count("SELECT count(*) FROM event")
    report = imports.import_file(desk.conn, KEY, file, org_id=desk.org_id)
    assert (report.new, report.again, report.linked, report.owed, report.compliance, report.bad) == (0,) * 6
    assert report.layout == {"opt-outs": "optsync export"}.get(what, f"optsync {what}")
    assert desk.count("SELECT count(*) FROM event") == before + 1, "that a file was imported, and nothing else"
    assert exported(desk, what) == data


def test_who_exported_what_and_how_much_is_audited(desk: Desk) -> None:
    for number in range(3):
        desk.opt_out(f"p{number}@example.com")
    exported(desk)
    exported(desk, "people", "json lines")
    assert audits(desk) == [
        ("kim", {"what": "opt-outs", "rows": 3, "complete": True}),
        ("kim", {"what": "people", "rows": 3, "complete": True}),
    ]


def test_a_reader_who_leaves_in_the_middle_is_audited_too(desk: Desk) -> None:
    desk.conn.execute("INSERT INTO address (normal) SELECT 'p' || n || '@example.com' FROM generate_series(1, 5000) n")
    blocks = iter(exports.export(desk.conn, KEY, "people", actor="kim"))
    next(blocks)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]  # as a web server does
    assert audits(desk) == [("kim", {"what": "people", "rows": 1000, "complete": False})]
    assert desk.conn.info.transaction_status == 0


def test_memory_does_not_grow_with_the_export(desk: Desk) -> None:
    desk.conn.execute(
        "INSERT INTO address (normal) SELECT 'p' || n || '@example.com' FROM generate_series(1, 100000) n"
    )
    tracemalloc.start()
    try:
        rows = sum(block.count(b"\n") for block in exports.export(desk.conn, KEY, "people", actor="kim"))
        assert rows == 100_001
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()
