"""Files of other tools: every layout, one nasty file, twice, above the brake, and what comes back."""

import csv
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from optsync.core.problems import Problem
from optsync.ledger import files, holds, imports, people
from optsync.ledger.imports import ImportReport
from tests.flows.ledger.desk import KEY, Desk, contact

SAMPLES = Path(__file__).parents[3] / "samples"
MEMORY_BYTES_MAX = 20_000_000
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of some lines and gives its path."""

    def write_lines(*lines: str, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        return path

    return write_lines


def load(desk: Desk, path: Path, **more: object) -> ImportReport:
    return imports.import_file(desk.conn, KEY, path, **more)  # type: ignore[arg-type]  # options of one call


def rejected(path: Path | None) -> Iterator[dict[str, str]]:
    assert path is not None
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@pytest.mark.parametrize(
    ("sample", "layout", "rows", "new", "bad", "skipped"),
    [
        ("mailchimp-unsubscribed.csv", "Mailchimp unsubscribed", 8, 8, 0, 0),
        ("sendgrid-unsubscribes.csv", "SendGrid", 6, 6, 0, 0),
        ("mailgun-unsubscribes.csv", "Mailgun", 4, 3, 1, 0),
        ("hubspot-contacts.csv", "HubSpot contacts", 5, 3, 0, 2),
        ("hubspot-unsubscribes.csv", "HubSpot unsubscribes", 4, 2, 0, 2),
        ("plain-list.txt", "plain list", 5, 5, 0, 0),
        ("nasty.csv", "Mailchimp unsubscribed", 14, 8, 5, 0),
        ("salesforce-data-loader.csv", "Salesforce Data Loader", 5, 0, 1, 0),
        ("salesforce-report-leads.csv", "Salesforce report", 8, 0, 0, 5),
        ("salesforce-report-contacts.csv", "Salesforce report", 3, 0, 1, 0),
    ],
)
def test_each_sample_is_recognised_and_its_good_rows_are_kept(
    desk: Desk, tmp_path: Path, sample: str, layout: str, rows: int, new: int, bad: int, skipped: int
) -> None:
    report = load(desk, SAMPLES / sample, reject_path=tmp_path / "rejects.csv")
    assert (report.layout, report.rows, report.new, report.bad, report.skipped) == (layout, rows, new, bad, skipped)
    assert desk.balance().recorded == new
    assert len(list(rejected(report.reject_path))) == bad if bad else report.reject_path is None


def test_every_sample_file_is_tested_here() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in SAMPLES.iterdir() if path.suffix != ".md" and f'"{path.name}"' not in tested] == []


def test_the_original_time_and_reason_are_kept_as_evidence(desk: Desk) -> None:
    load(desk, SAMPLES / "mailchimp-unsubscribed.csv", actor="kim")
    load(desk, SAMPLES / "sendgrid-unsubscribes.csv")
    [mailchimp] = people.timeline(desk.conn, KEY, "bram.osei@example.com")
    assert mailchimp.reason == 'Other: I get two of each, "please" stop'
    assert (mailchimp.source, mailchimp.actor) == ("import", "kim")
    assert mailchimp.evidence == {
        "file": "mailchimp-unsubscribed.csv",
        "row": 3,
        "unsubscribed_at": "2024-05-02 19:40:03",
        "unsub_campaign_title": "May offers",
        "unsub_campaign_id": "77be0041aa",
    }
    [sendgrid] = people.timeline(desk.conn, KEY, "jonas.petrov@example.com")
    assert sendgrid.evidence is not None
    assert sendgrid.evidence["unsubscribed_at"] == "2023-11-15T22:13:20Z"


def test_a_hubspot_file_counts_only_people_whose_opt_out_is_true(desk: Desk) -> None:
    load(desk, SAMPLES / "hubspot-contacts.csv")
    assert desk.is_blocked("sami.haddad@example.com")
    assert desk.is_blocked("wim.deboer@example.org")
    assert not desk.is_blocked("tova.lindqvist@example.com")
    assert not desk.is_blocked("vera.costa@example.com")


def test_the_nasty_file_keeps_its_good_rows_and_gives_the_bad_ones_back_with_a_reason(
    desk: Desk, tmp_path: Path
) -> None:
    report = load(desk, SAMPLES / "nasty.csv", reject_path=tmp_path / "rejects.csv")
    for kept in ("mia.stone", "renée.dupré", "nul.byte", "otto.krag", "=1+1", "+plus", "pia.lund", "last.line"):
        assert desk.is_blocked(f"{kept}@example.com"), kept
    assert report.duplicates == 1
    rows = list(rejected(report.reject_path))
    assert [row["optsync_reason"] for row in rows] == [
        "not an e-mail address",
        "no e-mail address",
        "not an e-mail address",
        "not an e-mail address",
        "its quotes do not match",
    ]
    cells = [cell for row in rows for cell in row.values() if cell]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    [entry] = people.timeline(desk.conn, KEY, "mia.stone@example.com")
    assert entry.reason == 'Other: Two lines,\r\none "quoted" word; and a semicolon'


def test_rejected_rows_can_be_repaired_and_imported_again(desk: Desk, write: Write, tmp_path: Path) -> None:
    path = write("Email Address,UNSUB_TIME", "annexample.com,2024-01-01", "bob@example.com,2024-01-01")
    report = load(desk, path, reject_path=tmp_path / "rejects.csv")
    assert report.reject_path is not None
    text = report.reject_path.read_text(encoding="utf-8")
    repaired = write(text.replace("annexample.com", "ann@example.com").strip(), name="repaired.csv")
    assert load(desk, repaired).new == 1
    assert desk.is_blocked("ann@example.com")


def test_the_same_bytes_twice_change_nothing_and_say_so_whatever_the_name(desk: Desk, tmp_path: Path) -> None:
    first = load(desk, SAMPLES / "sendgrid-unsubscribes.csv")
    desk.lift("iris.vale@example.com")
    events = desk.count("SELECT count(*) FROM event")
    copy = tmp_path / "renamed.csv"
    copy.write_bytes((SAMPLES / "sendgrid-unsubscribes.csv").read_bytes())

    again = load(desk, copy)

    assert first.seen_before_at is None
    assert again.seen_before_at is not None
    assert (again.new, again.again, again.already) == (0, 0, 6)
    assert not desk.is_blocked("iris.vale@example.com")
    assert desk.count("SELECT count(*) FROM event") == events


def test_another_file_with_a_lifted_person_is_a_new_opt_out(desk: Desk, write: Write) -> None:
    desk.opt_out("ann@example.com")
    desk.lift("ann@example.com")
    report = load(desk, write("ann@example.com", "bob@example.com"))
    assert (report.new, report.again, report.already) == (1, 1, 0)
    assert desk.kinds("ann@example.com") == ["opted out", "lifted", "opted out"]


def test_a_dry_run_tells_everything_and_changes_nothing(desk: Desk, write: Write) -> None:
    desk.opt_out("ann@example.com")
    report = load(desk, write("ann@example.com", "bob@example.com", "nonsense"), dry_run=True)
    assert (report.dry_run, report.new, report.already, report.bad) == (True, 1, 1, 1)
    assert not desk.is_blocked("bob@example.com")
    assert desk.count("SELECT count(*) FROM import_file") == 0


def test_r42_people_with_salesforce_ids_are_linked_and_nobody_is_opted_out(desk: Desk) -> None:
    report = load(desk, SAMPLES / "salesforce-data-loader.csv")
    assert (report.purpose, report.linked) == ("people", 4)
    assert desk.balance().recorded == 0
    ada = desk.find("ada.quill@example.com")
    assert {(r.kind, r.provenance) for r in ada.records} == {("Lead", "given id"), ("Contact", "given id")}


def test_r03_a_report_with_short_ids_names_the_same_records_as_the_data_loader(desk: Desk) -> None:
    load(desk, SAMPLES / "salesforce-data-loader.csv")
    assert load(desk, SAMPLES / "salesforce-report-leads.csv").linked == 2
    assert load(desk, SAMPLES / "salesforce-report-contacts.csv").linked == 1
    assert len(desk.find("ada.quill@example.com").records) == 2


def test_links_of_an_opted_out_person_owe_at_once(desk: Desk) -> None:
    desk.opt_out("ada.quill@example.com")
    assert load(desk, SAMPLES / "salesforce-data-loader.csv").owed == 2
    assert desk.balance().owed == 2


def test_an_opt_out_file_with_salesforce_ids_links_and_owes_those_records(desk: Desk, write: Write) -> None:
    path = write(
        "Email,Unsubscribed from all email,Salesforce Contact ID",
        f"ann@example.com,true,{contact(1)[:15]}",
        f"bob@example.com,false,{contact(2)}",
        "cem@example.com,true,nonsense",
    )
    report = load(desk, path)
    assert (report.new, report.linked, report.owed, report.bad, report.skipped) == (2, 1, 1, 1, 1)
    assert desk.is_blocked("cem@example.com")  # a wrong id costs the link, never the opt-out
    assert desk.states() == {(1, contact(1)): ("owed", None)}


def crowd_of(desk: Desk, write: Write, size: int) -> Path:
    """A file of that many linked people."""
    for start in range(0, size, 1000):
        numbers = range(start, min(size, start + 1000))
        links = [people.Link(contact(n), "Contact", f"p{n}@example.com") for n in numbers]
        people.link(desk.conn, KEY, desk.org_id, links, "g")
    return write("email,created", *[f"p{n}@example.com,{1_700_000_000 + n}" for n in range(size)])


def test_exactly_five_hundred_new_people_pass_the_brake(desk: Desk, write: Write) -> None:
    report = load(desk, crowd_of(desk, write, 500))
    assert (report.held, report.owed) == (False, 500)


def test_more_than_the_brake_allows_is_recorded_and_blocked_but_not_written(desk: Desk, write: Write) -> None:
    path = crowd_of(desk, write, 501)
    assert load(desk, path, dry_run=True).held

    report = load(desk, path)

    assert report.held
    assert (report.new, report.owed) == (501, 0)
    assert desk.is_blocked("p500@example.com")
    assert desk.balance().held == 501
    [hold] = holds.undecided(desk.conn)
    assert (hold.hold_id, hold.addresses, hold.origin) == (report.hold_id, 501, "import file.csv")
    assert holds.drop(desk.conn, KEY, hold.hold_id, "kim", "wrong file") == 0
    assert desk.balance().recorded == 0


@pytest.mark.parametrize("decide", ["apply", "drop"])
def test_what_comes_after_a_decision_in_the_middle_waits_for_one_of_its_own(
    desk: Desk, write: Write, monkeypatch: pytest.MonkeyPatch, decide: str
) -> None:
    monkeypatch.setattr(imports, "PORTION_ADDRESSES", 200)
    path = crowd_of(desk, write, 501)

    def decided_early(doing: str, done: int, _total: int) -> None:
        if (doing, done) != ("recording", 200):
            return
        [first] = holds.undecided(desk.conn)
        if decide == "apply":
            holds.apply(desk.conn, KEY, first.hold_id, "kim")
        else:
            holds.drop(desk.conn, KEY, first.hold_id, "kim", "wrong file")

    report = load(desk, path, progress=decided_early)

    [rest] = holds.undecided(desk.conn)
    assert (rest.hold_id, rest.addresses) == (report.hold_id, 301)
    assert desk.is_blocked("p500@example.com")
    assert (desk.balance().held, desk.balance().owed) == (301, 200 if decide == "apply" else 0)


def test_a_confirmed_preview_passes_the_brake(desk: Desk, write: Write) -> None:
    report = load(desk, crowd_of(desk, write, 501), confirmed=True)
    assert (report.held, report.hold_id, report.owed) == (False, None, 501)


def test_a_second_file_with_the_same_people_does_not_slip_past_the_brake(desk: Desk, write: Write) -> None:
    first = load(desk, crowd_of(desk, write, 501))
    lines = [f"p{n}@example.com" for n in range(501)]
    second = load(desk, write("email", *lines, name="saved again.csv"))
    assert second.held
    assert desk.balance().held == 501
    assert [hold.hold_id for hold in holds.undecided(desk.conn)] == [second.hold_id]
    assert first.hold_id is not None
    assert second.hold_id is not None
    holds.drop(desk.conn, KEY, second.hold_id, "kim", None)
    assert desk.balance().recorded == 0


def test_a_small_second_file_means_its_people_and_frees_them(desk: Desk, write: Write) -> None:
    first = load(desk, crowd_of(desk, write, 501))
    load(desk, write("p7@example.com", name="one.txt"))
    assert desk.state_of(contact(7)) == "owed"
    assert first.hold_id is not None
    holds.drop(desk.conn, KEY, first.hold_id, "kim", None)
    assert desk.is_blocked("p7@example.com")
    assert desk.balance().recorded == 1


def test_a_file_whose_hold_was_dropped_can_be_imported_again(desk: Desk, write: Write) -> None:
    path = write(*[f"p{n}@example.com" for n in range(501)], name="many.txt")
    load(desk, path)
    latest = load(desk, write("email", *[f"p{n}@example.com" for n in range(501)], name="saved again.csv"))
    assert load(desk, path).seen_before_at
    assert latest.hold_id is not None

    assert holds.drop(desk.conn, KEY, latest.hold_id, "kim", "the wrong button") == 0
    assert not desk.is_blocked("p7@example.com")

    again = load(desk, path, confirmed=True)
    assert (again.again, again.held, again.seen_before_at) == (501, False, None)
    assert desk.is_blocked("p7@example.com")


def test_an_address_above_the_cap_is_held_and_the_record_the_file_names_is_written(desk: Desk, write: Write) -> None:
    desk.link("info@example.com", *[contact(n) for n in range(25)])
    path = write("Email,Unsubscribed from all email,Contact ID", f"info@example.com,yes,{contact(4)}")
    assert load(desk, path).owed == 1
    assert desk.state_of(contact(4)) == "owed"
    assert desk.balance().held == 24


def test_an_erased_person_in_a_file_is_known_by_the_hash(desk: Desk, write: Write) -> None:
    desk.opt_out("ann@example.com")
    people.erase(desk.conn, KEY, "ann@example.com", actor="kim", reason="article 17")
    assert load(desk, write("ann@example.com")).already == 1
    assert desk.count("SELECT count(*) FROM address WHERE normal = 'ann@example.com'") == 0


def test_each_new_opt_out_has_one_event_and_the_portion_one_notify(desk: Desk, write: Write) -> None:
    with desk.database.connect() as listener:
        listener.execute("LISTEN mark")
        load(desk, write(*[f"p{n}@example.com" for n in range(300)]))
        assert len(list(listener.notifies(timeout=0.5))) == 1
    assert desk.count("SELECT count(*) FROM event WHERE kind = 'opted out'") == 300
    assert desk.count("SELECT count(*) FROM event WHERE kind = 'file imported'") == 1


@pytest.mark.parametrize(
    ("content", "new"),
    [
        ("ann@example.com\nbob@example.com\n".encode("utf-16"), 2),
        (b"\xef\xbb\xbfemail\r\nann@example.com\r\n", 1),
        (b"email;created\nann@example.com;1700000000\n", 1),
        (b"sep=;\nemail;created\nann@example.com;1700000000\n", 1),
        (b"email\tcreated\rann@example.com\t1700000000\r", 1),
        ("E-Mail\nrené@example.com\n".encode("latin-1"), 1),
        (b'"ann@example.com"\n"bob@example.com\n"cem@example.com"\n', 2),
    ],
)
def test_any_usual_encoding_delimiter_and_line_end_is_read(
    desk: Desk, tmp_path: Path, content: bytes, new: int
) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    assert load(desk, path).new == new


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\r\n \n", "is empty"),
        (b"\0\0\0", "is empty"),
        (b"PK\x03\x04 workbook", "ZIP archive or an Excel workbook"),
        (b"name,city\nAnn,Bonn\n", "no layout we know"),
        (b"email,name\nann@example,Ann\n", "no layout we know"),
        (b"Email Address,OPTIN_TIME,LEID\nann@example.com,2024-01-01,1\n", "not unsubscribed ones"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_a_way_out(
    desk: Desk, tmp_path: Path, content: bytes, what: str
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(Problem, match=what) as refused:
        load(desk, path)
    assert refused.value.next
    assert "ann@" not in str(refused.value)
    assert desk.count("SELECT count(*) FROM event") == 0


def test_a_missing_file_is_a_problem_not_a_traceback(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be read"):
        load(desk, tmp_path / "missing.csv")
    with pytest.raises(Problem, match="cannot be read"):
        load(desk, tmp_path)


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["status,reason,email,created", "550,full,ann@example.com,1700000000"], "bounced or blocked"),
        (["address,code,error,created_at", "ann@example.com,550,full,x"], "bounced or blocked"),
        (["no,email,created,name", "1,ann@example.com,2024-01-01,Ann"], "no layout we know"),
        (["id,name,address,created_at", "1,Ann,ann@example.com,2024-01-01"], "no layout we know"),
        (["Ann,ann@example.com", "Bob,bob@example.com"], "several columns and no header"),
        ([f"{contact(1)},ann@example.com"], "several columns and no header"),
        (["ann@example.com; bob@example.com"], "several addresses on one line"),
    ],
)
def test_a_list_that_does_not_say_that_its_people_unsubscribed_opts_nobody_out(
    desk: Desk, write: Write, lines: list[str], what: str
) -> None:
    with pytest.raises(Problem, match=what):
        load(desk, write(*lines))
    assert desk.balance().recorded == 0


def test_a_report_in_another_language_is_known_by_its_ids_and_opts_nobody_out(desk: Desk, write: Write) -> None:
    report = load(desk, write("Kontakt-ID;Nachname;E-Mail-Adresse", f"{contact(1)[:15]};Lind;ann@example.com"))
    assert (report.layout, report.purpose, report.linked) == ("Salesforce ids", "people", 1)
    assert desk.balance().recorded == 0


def test_a_mailchimp_file_is_known_whatever_its_owner_calls_the_address(desk: Desk, write: Write) -> None:
    report = load(desk, write("UNSUB_TIME,Prénom,Adresse électronique", "2024-01-01 00:00:00,Ann,ann@example.com"))
    assert (report.layout, report.new) == ("Mailchimp unsubscribed", 1)


def test_no_second_address_on_a_line_is_lost_silently(desk: Desk, write: Write, tmp_path: Path) -> None:
    path = write("ann@example.com", "bob@example.com,cem@example.com", "dee@example.com")
    report = load(desk, path, reject_path=tmp_path / "rejects.csv")
    assert (report.new, report.bad) == (2, 1)
    assert report.reasons == {"more than an address on its line": 1}
    [row] = csv.reader((tmp_path / "rejects.csv").read_text(encoding="utf-8").splitlines()[1:])
    assert row[2:] == ["bob@example.com", "cem@example.com"]


def test_a_quote_that_is_closed_rows_later_swallows_nobody(desk: Desk, write: Write) -> None:
    path = write(
        "email,created",
        'ann@example.com,"1700000000',
        "bob@example.com,1700000000",
        'cem@example.com,1700000000"',
        "dee@example.com,1700000000",
    )
    assert load(desk, path).reasons == {"its quotes do not match": 1}
    assert desk.is_blocked("bob@example.com")
    assert desk.is_blocked("dee@example.com")


@pytest.mark.parametrize("before", range(files.BLOCK_LINES - 3, files.BLOCK_LINES + 1))
def test_a_cell_of_many_lines_is_one_cell_wherever_the_blocks_of_the_file_end(
    desk: Desk, write: Write, before: int
) -> None:
    told = "\n".join(["too much", *["mail"] * (2 * files.BLOCK_LINES), "really"])
    path = write(
        "email,unsub_time,unsub_reason",
        *[f"p{n}@example.com,2024-01-02,never" for n in range(before)],
        f'ann@example.com,2024-01-02,"{told}"',
        'bob@example.com,2024-01-02,"never closed',
        "cem@example.com,2024-01-02,none",
    )
    report = load(desk, path)
    assert (report.new, report.reasons) == (before + 2, {"its quotes do not match": 1})
    assert desk.is_blocked("cem@example.com")
    row = desk.conn.execute("SELECT reason FROM event WHERE evidence->>'row' = %s", [str(before + 2)]).fetchone()
    assert row == (told,)


def test_a_nul_is_dropped_and_costs_no_other_row(desk: Desk, write: Write) -> None:
    path = write("email,created", "a\0nn@example.com,1", "\0", "z" * 70_000 + "\0", "bob@example.com,1")
    report = load(desk, path)
    assert (report.new, report.bad) == (2, 1)
    assert desk.is_blocked("ann@example.com")


def test_an_endless_line_costs_itself_only(desk: Desk, write: Write) -> None:
    path = write("email,created", "x" * 300_000, "ann@example.com,1700000000", '"' + "y" * 70_000, "bob@example.com,1")
    report = load(desk, path)
    assert (report.new, report.bad) == (2, 2)
    assert report.reasons == {"its line is longer than 65,536 characters": 2}


def test_what_is_no_file_is_refused_before_it_is_waited_for(desk: Desk, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(Problem, match="a pipe or a device"):
            load(desk, path)


def test_the_rejects_never_overwrite_the_file_they_come_from(desk: Desk, write: Write) -> None:
    path = write("email,created", "nonsense,1", "ann@example.com,1")
    before = path.read_bytes()
    with pytest.raises(Problem, match="cannot go into the file they come from"):
        load(desk, path, reject_path=path.parent / "." / path.name)
    assert path.read_bytes() == before
    assert desk.balance().recorded == 0


def test_the_bad_rows_of_a_file_imported_before_can_still_be_had(desk: Desk, write: Write, tmp_path: Path) -> None:
    path = write("email,created", "nonsense,1", "ann@example.com,1")
    assert load(desk, path).bad == 1
    again = load(desk, path, reject_path=tmp_path / "rejects.csv")
    assert again.seen_before_at is not None
    assert again.bad == 1
    [row] = rejected(again.reject_path)
    assert (row["email"], row["optsync_reason"]) == ("nonsense", "not an e-mail address")


def test_a_file_name_that_is_no_text_is_no_trouble(desk: Desk, write: Write, tmp_path: Path) -> None:
    path = write("ann@example.com").rename(os.fsdecode(os.fsencode(tmp_path) + b"/fil\xe9.txt"))
    assert load(desk, path).name == "fil\ufffd.txt"


def test_a_cell_that_hides_a_formula_behind_spaces_is_made_safe_and_plain_again() -> None:
    for cell in ("=1", " =1", "' =1", "\ufeff@x", "''+1", "\t1", "'plain", " plain"):
        assert files.plain_cell(files.safe_cell(cell)) == cell
    assert files.safe_cell(" =1") == "' =1"
    assert files.safe_cell("\ufeff=1").startswith("'")


def test_two_who_import_the_same_file_at_once_record_it_once(desk: Desk, write: Write) -> None:
    path = write(*[f"p{n}@example.com" for n in range(200)])
    reports: list[ImportReport] = []

    def work() -> None:
        with desk.database.connect() as conn:
            reports.append(imports.import_file(conn, KEY, path))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((report.new, report.seen_before_at is not None) for report in reports) == [(0, True), (200, False)]
    assert desk.count("SELECT count(*) FROM event WHERE kind = 'file imported'") == 1


def test_ids_without_a_connected_org_are_a_problem_for_people_but_not_for_opt_outs(desk: Desk, write: Write) -> None:
    desk.conn.execute("TRUNCATE org CASCADE")
    with pytest.raises(Problem, match="no org is connected"):
        load(desk, SAMPLES / "salesforce-data-loader.csv")
    path = write("Email,Unsubscribed from all email,Contact ID", f"ann@example.com,true,{contact(1)}")
    assert load(desk, path).new == 1


def test_an_import_that_died_half_way_is_finished_by_running_it_again(
    desk: Desk, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PORTION_ADDRESSES", 100)
    path = write(*[f"p{n}@example.com" for n in range(350)])

    def die(doing: str, done: int, _total: int) -> None:
        if doing == "recording" and done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(desk, path, progress=die)
    assert desk.balance().recorded == 200
    report = load(desk, path)
    assert (report.new, report.already, report.seen_before_at) == (150, 200, None)


def test_memory_does_not_grow_with_the_file(desk: Desk, write: Write) -> None:
    path = write(*[f"person.number.{n}@example.com" for n in range(60_000)])
    tracemalloc.start()
    report = load(desk, path, confirmed=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.new == 60_000
    assert peak < MEMORY_BYTES_MAX


@pytest.mark.parametrize(
    ("header", "named", "new"),
    [
        ("Wer;E-Mail;Wann", {"address": "e-mail", "at": "WANN"}, 1),
        ("Wer;E-Mail;Wann", {"address": "2"}, 1),
        ("Ann;first@example.com;2023", {"address": "2", "at": "3"}, 2),
    ],
)
def test_r42_columns_are_named_by_header_or_number(
    desk: Desk, write: Write, header: str, named: dict[str, str], new: int
) -> None:
    path = write(header, "Ann;ann@example.com;2024-01-01")
    report = load(desk, path, columns=imports.columns_named(path, "opt-outs", named))
    assert (report.layout, report.new, report.bad) == ("own columns", new, 0)
    [entry] = people.timeline(desk.conn, KEY, "ann@example.com")
    assert (entry.evidence or {}).get("unsubscribed_at") == ("2024-01-01" if "at" in named else None)


@pytest.mark.parametrize(
    ("named", "what"),
    [
        ({"address": "Mail"}, "file.csv has no column Mail"),
        ({"address": "0"}, "file.csv has no column 0"),
        ({"address": "E-Mail", "phone": "Wer"}, "no column can hold phone"),
        ({"at": "Wann"}, "no column is said to hold the address"),
    ],
)
def test_a_column_that_is_not_there_is_told_and_nothing_is_imported(
    write: Write, named: dict[str, str], what: str
) -> None:
    with pytest.raises(Problem) as raised:
        imports.columns_named(write("Wer,E-Mail,Wann", "Ann,ann@example.com,2024"), "opt-outs", named)
    assert (raised.value.what, raised.value.exit_code) == (what, 2)


def test_rows_that_are_people_need_a_word_about_their_columns(write: Write) -> None:
    path = write("a@example.com")
    assert imports.columns_named(path, "opt-outs", {}) is None
    with pytest.raises(Problem, match="no column is said to hold the address"):
        imports.columns_named(path, "people", {})
