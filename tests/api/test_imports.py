"""A file handed over by a program: kept, read by a worker, asked about; the same request again is the same import."""

import csv
import io
from typing import Any

import pytest

from optsync.ledger import holds, uploads
from tests.installation import Site
from tests.program import Answer, Program, program

CSV = {"Content_Type": "text/csv; charset=utf-8"}


def send(asking: Program, text: str, query: str = "", **headers: str) -> Answer:
    """Hands a file over."""
    return asking.ask("POST", f"/v1/imports{query}", text.encode(), **(CSV | headers))


def work(site: Site) -> None:
    """What a worker does with the files that wait."""
    with site.installation.database.connect() as conn:
        while uploads.work_on_one(conn, site.installation.database.connect, site.installation.vault):
            pass


def blocked(admin: Program, address: str) -> bool:
    """Whether the check says no."""
    return bool(admin.post("/v1/check", {"addresses": [address]}).json["blocked"])


def test_a_file_is_kept_at_once_and_imported_by_the_worker(admin: Program, site: Site) -> None:
    kept = send(admin, "email,unsub_time\nfile1@example.com,2024\nnonsense,2024\n", "?name=old.csv")
    assert (kept.status, kept.json["state"], kept.json["counts"]) == (202, "importing", None)
    work(site)
    done = admin.get(f"/v1/imports/{kept.json['id']}").json
    assert (done["state"], done["layout"], done["name"]) == ("imported", "Mailchimp unsubscribed", "old.csv")
    assert (done["counts"]["new"], done["counts"]["bad"], done["reasons"]) == (1, 1, {"not an e-mail address": 1})
    assert blocked(admin, "file1@example.com")
    rejects = admin.get(f"/v1/imports/{kept.json['id']}/rejects")
    assert rejects.headers["Content-Type"] == "text/csv; charset=utf-8"
    [row] = csv.DictReader(io.StringIO(rejects.text))
    assert (row["optsync_reason"], row["email"]) == ("not an e-mail address", "nonsense")


def test_a_dry_run_counts_and_records_nobody(admin: Program, site: Site) -> None:
    kept = send(admin, "dry@example.com\n", "?dry_run=true")
    work(site)
    done = admin.get(f"/v1/imports/{kept.json['id']}").json
    assert (done["state"], done["counts"]["new"]) == ("read", 1)
    assert not blocked(admin, "dry@example.com")


def test_the_same_request_again_is_the_same_import_and_another_file_under_its_key_is_refused(
    admin: Program, site: Site
) -> None:
    first = send(admin, "key1@example.com\n", Idempotency_Key="file-7")
    again = send(admin, "key1@example.com\n", Idempotency_Key="file-7")
    assert (again.status, again.json, again.headers["Idempotency-Replayed"]) == (202, first.json, "true")
    for text, query in (("key2@example.com\n", ""), ("key1@example.com\n", "?dry_run=true")):
        other = send(admin, text, query, Idempotency_Key="file-7")
        assert (other.status, other.code) == (422, "idempotency-key-reused")
    work(site)
    without = send(admin, "key1@example.com\n")
    work(site)
    assert admin.get(f"/v1/imports/{without.json['id']}").json["seen_before_at"] is not None


def test_a_file_that_cannot_be_read_says_why(admin: Program, site: Site) -> None:
    at_once = send(admin, "PK\x03\x04sheet")
    assert (at_once.status, at_once.code) == (409, "refused")
    assert "ZIP archive" in at_once.json["detail"]
    later = send(admin, "Wer,Wann\nAnn,gestern\n")
    work(site)
    problem = admin.get(f"/v1/imports/{later.json['id']}").json["problem"]
    assert problem["what"] == "import.csv has no layout we know"
    assert admin.get("/v1/imports/999999").code == "not-found"


@pytest.mark.parametrize(
    ("size", "headers", "status", "code"),
    [
        (10, {"Content_Type": "application/json"}, 415, "wrong-type"),
        (uploads.BYTES_MAX + 1, CSV, 413, "too-large"),
        (0, CSV, 409, "refused"),
    ],
)
def test_what_is_no_file_is_refused(admin: Program, size: int, headers: dict[str, str], status: int, code: str) -> None:
    answer = admin.ask("POST", "/v1/imports", b"a" * size, **headers)
    assert (answer.status, answer.code) == (status, code)


def test_a_mass_change_is_held_and_only_an_admin_key_may_say_otherwise(admin: Program, site: Site) -> None:
    writer = program(site, "write", "read")
    refused = send(writer, "x@example.com\n", "?confirmed=true")
    assert (refused.status, refused.code) == (403, "scope-missing")
    kept = send(writer, "".join(f"held{n}@example.net\n" for n in range(501)))
    work(site)
    done = writer.get(f"/v1/imports/{kept.json['id']}").json
    assert (done["held"], done["hold_id"] is not None, done["counts"]["new"]) == (True, True, 501)
    assert blocked(admin, "held7@example.net")
    with site.installation.database.connect() as conn:
        holds.drop(conn, site.installation.vault.subject_key, done["hold_id"], "test", "a rehearsal")


def test_files_and_batches_of_one_key_within_an_hour_are_one_mass_change(admin: Program, site: Site) -> None:
    feeder, other = program(site, "admin", name="feeder"), program(site, "admin", name="another")

    def bring(asking: Program, part: int, query: str = "") -> dict[str, Any]:
        number = send(asking, "".join(f"f{part}-{n}@feeder.example.net\n" for n in range(200)), query).json["id"]
        work(site)
        answer: dict[str, Any] = asking.get(f"/v1/imports/{number}").json
        return answer

    many = [{"address": f"f0-{n}@feeder.example.net"} for n in range(200)]
    assert feeder.post("/v1/unsubscribes:batch", {"unsubscribes": many}).json["hold_id"] is None
    assert not bring(feeder, 1)["held"]
    assert bring(feeder, 2, "?dry_run=true")["held"], "600 within an hour, a dry run says"
    assert not bring(other, 3)["held"], "another key's"
    assert not bring(feeder, 4, "?confirmed=true")["held"], "an admin says so"
    held = bring(feeder, 5)
    assert held["held"], "600 within an hour"
    assert blocked(admin, "f5-7@feeder.example.net")
    assert bring(feeder, 6)["hold_id"] == held["hold_id"], "one decision for all slices"
    with site.installation.database.connect() as conn:
        holds.drop(conn, site.installation.vault.subject_key, held["hold_id"], "test", "a rehearsal")
    assert not bring(feeder, 7)["held"], "somebody has looked"


def test_r42_a_table_nobody_knows_is_read_by_its_columns(admin: Program, site: Site) -> None:
    table = "Wer,Adresse,Grundlage\nAnn,named@columns.example.com,legitimate interest\n"
    kept = send(admin, table, "?column=address=Adresse&dry_run=true").json
    people = send(admin, table, "?rows=people&column=address=2&column=authorization_type=Grundlage").json
    work(site)
    assert admin.get(f"/v1/imports/{kept['id']}").json["counts"]["new"] == 1
    done = admin.get(f"/v1/imports/{people['id']}").json
    assert (done["state"], done["counts"]["compliance"], done["counts"]["new"]) == ("imported", 1, 0)
    person = admin.post("/v1/people/find", {"address": "named@columns.example.com"}).json
    stands = admin.get(f"/v1/people/{person['id']}/compliance").json
    assert (person["blocked"], stands["authorization_type"]) == (False, "legitimate interest")
    wrong = send(admin, table, "?column=address=Mail")
    assert (wrong.status, wrong.json["detail"]) == (409, "import.csv has no column Mail")


def test_they_are_listed_page_by_page_the_newest_first(admin: Program, site: Site) -> None:
    numbers = [send(admin, f"listed{n}@example.com\n").json["id"] for n in range(3)]
    work(site)
    first = admin.get("/v1/imports?limit=2").json
    assert [one["id"] for one in first["imports"]] == numbers[:0:-1]
    assert first["imports"][0] == admin.get(f"/v1/imports/{numbers[2]}").json
    second = admin.get(f"/v1/imports?limit=2&cursor={first['next']}").json
    assert second["imports"][0]["id"] == numbers[0]
    assert admin.get("/v1/imports?cursor=x").code == "not-found"
