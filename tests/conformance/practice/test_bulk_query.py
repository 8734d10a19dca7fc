"""Bulk query jobs: salesforce.md 0.10, 0.11 and 3.1."""

import csv
import gzip
import io

import pytest

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"


def lines(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode())))


def test_a_job_goes_from_upload_complete_to_job_complete(rest: Rest) -> None:
    created = rest.call("POST", "jobs/query", {"operation": "query", "query": "SELECT Id FROM Contact"}).json
    assert (created["state"], created["object"], created["apiVersion"]) == ("UploadComplete", "Contact", 62.0)
    assert created["id"].startswith("750")
    done = rest.job("query", created["id"])
    assert (done["state"], done["jobType"], done["numberRecordsProcessed"]) == ("JobComplete", "V2Query", 40)


def test_results_are_quoted_csv_with_a_null_locator_at_the_end(rest: Rest) -> None:
    rest.org.reset(leads=0)
    lead = rest.org.create("Lead", LastName='Berg "Bo"\nLund', Email="bo@example.com", **{BOX: True})
    job = rest.bulk_query(f"SELECT Id, LastName, FirstName, {BOX}, SystemModstamp FROM Lead")
    answer = rest.call("GET", f"jobs/query/{job}/results", Accept_Encoding="identity")
    header, row = lines(answer.body)
    assert answer.body.startswith(b'"Id","LastName","FirstName","HasOptedOutOfEmail","SystemModstamp"\n"00Q')
    assert row[:4] == [lead, 'Berg "Bo"\nLund', "", "true"]
    assert row[4].endswith(".000Z")
    assert len(header) == 5
    assert (answer.headers["sforce-numberofrecords"], answer.headers["sforce-locator"]) == ("1", "null")


def test_pages_repeat_the_header_and_lose_no_row_even_with_line_breaks_in_values(rest: Rest) -> None:
    for number in range(5):
        rest.org.create("Contact", LastName=f'Line\nbreak, "{number}"')
    job = rest.bulk_query("SELECT Id, LastName FROM Contact")
    locator, rows, pages = "", [], 0
    while locator != "null":
        path = f"jobs/query/{job}/results?maxRecords=7" + (f"&locator={locator}" if locator else "")
        answer = rest.call("GET", path)
        page = lines(answer.body)
        assert page[0] == ["Id", "LastName"]
        assert len(page) - 1 == int(answer.headers["sforce-numberofrecords"])
        rows += page[1:]
        locator, pages = answer.headers["sforce-locator"], pages + 1
    assert (len({row[0] for row in rows}), len(rows), pages) == (45, 45, 7)


def test_the_header_may_stand_on_the_first_page_only(rest: Rest) -> None:
    rest.org.behaviour(bulk_header_on_every_page=False)
    job = rest.bulk_query("SELECT Id FROM Contact")
    first = rest.call("GET", f"jobs/query/{job}/results?maxRecords=30")
    second = rest.call("GET", f"jobs/query/{job}/results?maxRecords=30&locator={first.headers['sforce-locator']}")
    assert first.body.startswith(b'"Id"\n')
    assert second.body.startswith(b'"003')


def test_an_empty_result_is_a_header(rest: Rest) -> None:
    job = rest.bulk_query("SELECT Id FROM Contact WHERE Email = 'nobody@example.com'")
    answer = rest.call("GET", f"jobs/query/{job}/results")
    assert (answer.body, answer.headers["sforce-numberofrecords"]) == (b'"Id"\n', "0")


def test_the_body_is_compressed_when_asked(rest: Rest) -> None:
    job = rest.bulk_query("SELECT Id, Email FROM Contact")
    plain = rest.call("GET", f"jobs/query/{job}/results")
    packed = rest.call("GET", f"jobs/query/{job}/results", Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_delimiter_and_line_ending_are_as_asked(rest: Rest) -> None:
    body = {
        "operation": "query",
        "query": "SELECT Id, Email FROM Contact",
        "columnDelimiter": "SEMICOLON",
        "lineEnding": "CRLF",
    }
    job = rest.call("POST", "jobs/query", body).json["id"]
    rest.job("query", job)
    assert rest.call("GET", f"jobs/query/{job}/results").body.startswith(b'"Id";"Email"\r\n"003')


def test_bulk_and_rest_agree_also_after_changes(rest: Rest) -> None:
    rest.org.reset(leads=5_000, contacts=6_000, opted_out=20, grant_opt_out=True)
    for row in rest.rows("SELECT Id FROM Lead WHERE IsConverted = false LIMIT 30"):
        rest.org.edit(row["Id"], Email=f"{row['Id']}@example.com", **{BOX: True})
    rest.org.delete(rest.org.create("Lead", Email="gone@example.com"))
    columns = ["Id", "Email", "Name", BOX, "IsConverted", "ConvertedContactId", "IsDeleted", "MasterRecordId"]
    for operation, where in [
        ("queryAll", ""),
        ("query", f" WHERE {BOX} = true"),
        ("query", f" WHERE {BOX} = false AND IsConverted = false"),
        ("query", " WHERE Email = null"),
        ("query", f" WHERE {BOX} = true AND FirstName = 'Ada'"),
        ("queryAll", " WHERE IsDeleted = true"),
    ]:
        text = f"SELECT {', '.join(columns)} FROM Lead{where}"
        page = rest.call("GET", f"jobs/query/{rest.bulk_query(text, operation)}/results")
        expected = rest.rows(text, everything=operation == "queryAll")
        assert expected
        assert lines(page.body)[1:] == [[as_csv(row[name]) for name in columns] for row in expected], text


def as_csv(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_results_stay_as_they_were_when_the_job_ran(rest: Rest) -> None:
    job = rest.bulk_query(f"SELECT Id FROM Contact WHERE {BOX} = true")
    before = rest.call("GET", f"jobs/query/{job}/results").body
    rest.org.edit(lines(before)[1][0], **{BOX: False})
    assert rest.call("GET", f"jobs/query/{job}/results").body == before


def test_results_are_read_with_the_version_of_the_job(rest: Rest) -> None:
    job = rest.bulk_query("SELECT Id FROM Contact")
    assert rest.call("GET", f"/services/data/v63.0/jobs/query/{job}/results").status == 409


def test_a_job_that_is_not_done_has_no_results_yet(rest: Rest) -> None:
    rest.org.behaviour(bulk_job_seconds=30.0)
    body = {"operation": "query", "query": "SELECT Id FROM Contact"}
    job = rest.call("POST", "jobs/query", body).json["id"]
    assert rest.call("GET", f"jobs/query/{job}").json["state"] == "InProgress"
    assert rest.call("GET", f"jobs/query/{job}/results").status == 204
    assert rest.call("PATCH", f"jobs/query/{job}", {"state": "Aborted"}).json["state"] == "Aborted"
    assert rest.call("DELETE", f"jobs/query/{job}").status == 204
    assert rest.call("GET", f"jobs/query/{job}").status == 404


@pytest.mark.parametrize("key", ["nextRecordsUrl", "nextRecordUrl"])
def test_result_pages_list_up_to_five_addresses(rest: Rest, key: str) -> None:
    rest.org.behaviour(bulk_page_records=6, result_pages_next_key=key)
    job = rest.bulk_query("SELECT Id FROM Contact")
    first = rest.call("GET", f"jobs/query/{job}/resultPages").json
    second = rest.call("GET", first[key]).json
    urls = [page["resultUrl"] for page in first["resultPages"] + second["resultPages"]]
    rows = [row for url in urls for row in lines(rest.call("GET", url).body)[1:]]
    assert (len(first["resultPages"]), first["done"], second["done"], second[key]) == (5, False, True, None)
    assert (len(urls), len(rows)) == (7, 40)


@pytest.mark.parametrize(
    "text",
    ["SELECT Nothing FROM Contact", "SELECT Id FROM Opportunity", "SELECT COUNT() FROM Contact", "SELECT", ""],
)
def test_a_statement_that_bulk_does_not_take_is_refused_at_once(rest: Rest, text: str) -> None:
    assert rest.call("POST", "jobs/query", {"operation": "query", "query": text}).status == 400


def test_order_and_limit_hold_for_bulk_too(rest: Rest) -> None:
    text = "SELECT Id, Email FROM Contact WHERE Email != null ORDER BY Email DESC LIMIT 7"
    job = rest.bulk_query(text)
    lines = rest.call("GET", f"jobs/query/{job}/results").body.decode().splitlines()
    assert lines[1:] == [f'"{row["Id"]}","{row["Email"]}"' for row in rest.rows(text)]
    assert rest.job("query", job)["numberRecordsProcessed"] == 7
