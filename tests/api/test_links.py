"""Links by program: one for each person, with both headers and the words, and a check that knows senders."""

import json
import re
import shlex
from pathlib import Path

import pytest

from optsync.public import brand, messages
from optsync.public.brand import Brand
from optsync.public.messages import MessageText
from optsync.public.tokens import UnsubscribeLink, read_token
from tests.api.conftest import World
from tests.installation import FORM, Installation, Site, served
from tests.program import Program, program
from tests.servers import Servers

PAGE = Path(__file__).parents[2] / "docs/how-to/unsubscribe-links.md"
LINKS = "/v1/unsubscribe-links"


def test_r33_each_person_gets_a_link_and_both_headers_ready_for_the_message(admin: Program, world: World) -> None:
    installation = world.site.installation
    asked = [f"p{n}@example.com" for n in range(1_000)]
    with installation.database.connect() as conn:
        brand.save(conn, Brand(mailbox="unsubscribe@acme.example"), "test")
        answer = admin.post(LINKS, {"addresses": asked, "message_id": "<1@x>", "sender": "Jane", "campaign": "c"})
        brand.save(conn, Brand(), "test")
    assert answer.status == 200
    links = answer.json["links"]
    assert [one["address"] for one in links] == asked
    for one in links:
        token = one["url"].rpartition("/u/")[2]
        assert one["url"] == f"{world.site.url}/u/{token}"
        found = read_token(installation.vault.link_keys, token)
        assert found == UnsubscribeLink(one["address"], "<1@x>", "Jane", "c")
        mailto = f"<mailto:unsubscribe@acme.example?subject=unsubscribe%20{token}>"
        assert one["headers"] == {"List-Unsubscribe": f"<{one['url']}>, {mailto}"}  # one click is for https
        assert max(map(len, one["headers"]["List-Unsubscribe"].split(" "))) < 900  # a header line has 998 at most


def test_r33_links_without_https_come_with_a_warning_and_without_the_one_click_header(admin: Program) -> None:
    answer = admin.post(LINKS, {"addresses": ["ann@example.com"]}).json
    (warning,) = answer["warnings"]
    assert warning.startswith("OPTSYNC_PUBLIC_URL leads to this machine only: ")
    assert "List-Unsubscribe-Post" not in answer["links"][0]["headers"]


def test_r33_no_link_is_made_that_leads_recipients_nowhere(postgres_servers: Servers, tmp_path: Path) -> None:
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path), OPTSYNC_PUBLIC_URL="") as unnamed,
    ):
        answer = program(unnamed, "write").post(LINKS, {"addresses": ["ann@example.com"]})
    assert (answer.status, answer.code) == (409, "refused")
    assert "OPTSYNC_PUBLIC_URL is not set" in answer.json["detail"]
    assert "https://unsubscribe.example.com" in answer.json["next"]


def test_r38_the_words_come_filled_in_and_so_does_a_message(admin: Program, world: World) -> None:
    with world.site.installation.database.connect() as conn:
        messages.save(conn, MessageText("team", "sales", "[Stop](https://old.example)", False), "test")
    body = {
        "addresses": ["ann@example.com"],
        "team": "sales",
        "body": "<p>{{team_unsubscribe}}</p>",
        "body_type": "html",
    }
    answer = admin.post(LINKS, body).json
    (one,) = answer["links"]
    assert one["body"] == f'<p><a href="{one["url"]}">Stop</a></p>'
    assert one["text"] == f"Stop: {one['url']}"
    assert answer["appends"] is False
    shipped = admin.post(LINKS, {"addresses": ["ann@example.com"], "body": "Hi"}).json["links"][0]
    assert shipped["body"].startswith("Hi\n\nIf you do not want")
    assert shipped["url"] in shipped["body"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"addresses": []}, 422),
        ({"addresses": ["a@b"] * 1_001}, 422),
        ({"addresses": ["nobody"]}, 422),
        ({"addresses": ["a@b"], "message_id": "m" * 999}, 422),
        ({"addresses": ["a@b"], "body": "x", "body_type": "rtf"}, 422),
        ({"addresses": ["a@b"] * 1_000, "body": "x" * 20_001}, 413),
        ({}, 422),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(admin: Program, body: dict[str, object], status: int) -> None:
    assert admin.post(LINKS, body).status == status


def test_r36_the_check_knows_who_stopped_only_this_sender(admin: Program, site: Site) -> None:
    (one,) = admin.post(LINKS, {"addresses": ["partly@example.com"], "sender": "Jane"}).json["links"]
    assert site.request("POST", one["url"].removeprefix(site.url), "stop=sender", FORM)[0].status == 200
    asked = {"addresses": ["partly@example.com"]}
    assert admin.post("/v1/check", asked).json["blocked"] == 0
    assert admin.post("/v1/check", asked | {"sender": "Joe"}).json["blocked"] == 0
    (answer,) = admin.post("/v1/check", asked | {"sender": " JANE "}).json["answers"]
    assert (answer["allowed"], answer["why"]) == (False, "unsubscribed from this sender")


def test_the_curl_line_of_the_documentation_is_answered_as_it_says(admin: Program) -> None:
    page = PAGE.read_text(encoding="utf-8")
    words = shlex.split(next(line for line in page.splitlines() if line.startswith("curl")))
    answer = admin.post(LINKS, json.loads(words[words.index("-d") + 1]))
    shown = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    assert answer.status == 200
    assert answer.json.keys() == shown.keys()
    assert answer.json["links"][0].keys() == shown["links"][0].keys()


def test_a_message_cannot_be_blown_up_by_repeating_the_field(admin: Program) -> None:
    body = "{{team_unsubscribe}} " * 1_000
    answer = admin.post(LINKS, {"addresses": ["ann@example.com"], "body": body})
    assert (answer.status, answer.code) == (413, "too-large")
