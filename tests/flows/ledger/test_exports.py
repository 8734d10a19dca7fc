"""The export: everybody who must not be mailed, safe to open in a spreadsheet, exact to import again."""

import csv
import io
import json
from pathlib import Path

from optsync.ledger import exports, imports, people
from tests.flows.ledger.desk import KEY, Desk

ODD = [
    "=cmd@example.com",
    "+plus@example.com",
    "-dash@example.com",
    "'=quoted@example.com",
    "' =spaced@example.com",
    "o'hara@example.com",
]


def exported(desk: Desk) -> bytes:
    return b"".join(exports.export_opt_outs(desk.conn))


def test_the_active_account_wide_opt_outs_are_exported_and_nobody_else(desk: Desk) -> None:
    desk.opt_out("ann@example.com", "one-click")
    desk.opt_out("waits@example.com")
    desk.lift("waits@example.com", "when-unticked")
    desk.opt_out("lifted@example.com")
    desk.lift("lifted@example.com")
    desk.opt_out("sender@example.com", scope=3)
    desk.opt_out("erased@example.com")
    people.erase(desk.conn, KEY, "erased@example.com", actor="kim", reason="article 17")
    rows = list(csv.DictReader(io.StringIO(exported(desk).decode())))
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
    lines = b"".join(exports.export_opt_outs(desk.conn, "json lines")).decode().splitlines()
    assert [json.loads(line)["address"] for line in lines] == ['"odd\\ name"@example.com', "rené@example.com"]


def test_an_empty_ledger_exports_the_header_only(desk: Desk) -> None:
    assert exported(desk) == b"address,since,source\n"
