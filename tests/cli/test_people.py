"""Commands about people: recording, checking, explaining, lifting."""

import json
import os

from optsync.public.tokens import decoded
from tests.installation import Installation


def test_an_unsubscribe_is_recorded_once_and_blocks_at_once(optsync: Installation) -> None:
    first = optsync.run("unsubscribe", "Ann@Example.com", "--reason", "asked by phone", "--json")
    assert (first.code, first.json()["outcome"]) == (0, "new")
    assert optsync.run("unsubscribe", "ann@example.com", "--json").json()["outcome"] == "already"
    assert optsync.run("check", "ann@example.com", "bob@example.com", "--json").json()["blocked"] == 1
    assert optsync.run("check", "bob@example.com").code == 0
    assert optsync.run("check", "ann@example.com").code == 3


def test_several_people_are_unsubscribed_at_once_or_none_when_one_is_no_address(optsync: Installation) -> None:
    done = optsync.run("unsubscribe", "ann@example.com", "Bob <BOB@example.com>", "--json")
    assert [one["address"] for one in done.json()["addresses"]] == ["ann@example.com", "bob@example.com"]
    assert optsync.run("unsubscribe", "-", stdin="cem@example.com\ndee@example.com\n").code == 0
    assert optsync.run("unsubscribe", "eve@example.com", "nobody").code == 2
    assert optsync.run("unsubscribe", "-", stdin="\n").code == 2
    listed = [json.loads(line)["address"] for line in optsync.run("export", "--json").out.splitlines()]
    assert listed == ["ann@example.com", "bob@example.com", "cem@example.com", "dee@example.com"]


def test_an_odd_address_is_kept_and_called_odd(optsync: Installation) -> None:
    done = optsync.run("unsubscribe", "a b@c")
    assert done.code == 0
    assert "no usual address" in done.err
    assert optsync.run("check", "a b@c").code == 3


def test_several_addresses_in_one_are_refused(optsync: Installation) -> None:
    done = optsync.run("unsubscribe", "a@b.example, c@d.example")
    assert (done.code, "several addresses" in done.error["error"]) == (2, True)


def test_a_letter_typed_in_another_encoding_is_not_lost(optsync: Installation) -> None:
    typed = os.fsdecode(b"g\xfcl@example.com")
    assert optsync.run("unsubscribe", typed, "--reason", os.fsdecode(b"m\xfcde")).code == 0
    assert optsync.run("check", "g\xfcl@example.com").code == 3


def test_check_reads_addresses_from_standard_input(optsync: Installation) -> None:
    optsync.run("unsubscribe", "ann@example.com")
    answer = optsync.run("check", "-", "--json", stdin="ann@example.com\nbob@example.com\n\n").json()
    assert [one["allowed"] for one in answer["addresses"]] == [False, True]


def test_with_the_database_away_check_blocks_everybody_and_says_why(optsync: Installation) -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"
    done = optsync.run("check", "ann@example.com", "bob@example.com", "--json", OPTSYNC_DATABASE_URL=away)
    assert done.code == 1
    assert [one["allowed"] for one in done.json()["addresses"]] == [False, False]
    assert done.json()["addresses"][0]["why"] == "the database did not answer, so nobody is mailed"
    assert set(done.error) == {"error", "means", "next"}


def test_who_explains_a_person(optsync: Installation) -> None:
    optsync.run("unsubscribe", "ann@example.com", "--source", "bounce", "--reason", "550 no such user")
    done = optsync.run("who", "ann@example.com")
    assert done.code == 0
    assert "Blocked" in done.out
    assert "550 no such user" in done.out
    answer = optsync.run("who", "ann@example.com", "--json").json()
    assert answer["blocked"]
    assert [event["source"] for event in answer["timeline"]] == ["bounce"]


def test_who_knows_that_it_does_not_know(optsync: Installation) -> None:
    answer = optsync.run("who", "nobody@example.com", "--json").json()
    assert (answer["known"], answer["blocked"]) == (False, False)


def test_r23_a_lift_needs_a_reason_and_names_who_did_it(optsync: Installation) -> None:
    optsync.run("unsubscribe", "ann@example.com")
    assert optsync.run("lift", "ann@example.com", "--now").code == 2
    done = optsync.run("lift", "ann@example.com", "--now", "--reason", "signed form of 3 May", "--json")
    assert (done.code, done.json()["outcome"]) == (0, "lifted")
    events = optsync.run("who", "ann@example.com", "--json").json()["timeline"]
    assert events[-1]["reason"] == "signed form of 3 May"
    assert events[-1]["actor"]


def test_a_lift_of_nobody_is_told(optsync: Installation) -> None:
    done = optsync.run("lift", "ann@example.com", "--now", "--reason", "x")
    assert done.code == 1
    assert done.error["error"] == "this address is not unsubscribed here"


def test_a_link_is_opaque_and_comes_with_its_headers(optsync: Installation) -> None:
    done = optsync.run("link", "ann@example.com", "--json", OPTSYNC_PUBLIC_URL="https://u.example.com")
    answer = done.json()
    assert answer["url"].startswith("https://u.example.com/u/")
    token = decoded(answer["url"].rpartition("/")[2])
    assert token
    assert b"ann@example.com" not in token
    assert answer["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_export_gives_one_object_a_line_with_the_address(optsync: Installation) -> None:
    for name in ("bob", "ann"):
        optsync.run("unsubscribe", f"{name}@example.com")
    lines = optsync.run("export", "--json").out.splitlines()
    assert [json.loads(line)["address"] for line in lines] == ["ann@example.com", "bob@example.com"]
    assert optsync.run("export").out.splitlines()[0] == "address,since,source"


def test_audit_verifies_and_exports_what_was_done(optsync: Installation) -> None:
    optsync.run("unsubscribe", "ann@example.com")
    answer = optsync.run("audit", "verify", "--json").json()
    assert (answer["ok"], answer["sealed"], answer["unsealed"]) == (True, 1, 0)
    exported = optsync.run("audit", "export").out
    assert "opted out" in exported
    assert "ann@example.com" not in exported


def test_a_tampered_event_is_found(optsync: Installation) -> None:
    optsync.run("unsubscribe", "ann@example.com")
    optsync.run("audit", "verify")
    with optsync.database.connect() as conn:
        conn.execute("ALTER TABLE event DISABLE TRIGGER event_append_only")
        conn.execute("UPDATE event SET reason = 'forged'")
    done = optsync.run("audit", "verify")
    assert done.code == 1
    assert "broken at seal 1" in done.error["error"]


def test_a_chain_whose_end_was_cut_off_is_found_by_the_head_that_was_kept(optsync: Installation) -> None:
    optsync.run("unsubscribe", "ann@example.com")
    head = optsync.run("audit", "verify", "--json").json()["head"]
    optsync.run("unsubscribe", "bob@example.com")
    assert optsync.run("audit", "verify", "--head", head).code == 0
    with optsync.database.connect() as conn:
        conn.execute("ALTER TABLE event DISABLE TRIGGER USER; ALTER TABLE seal DISABLE TRIGGER USER")
        conn.execute("DELETE FROM seal; DELETE FROM event")
    assert optsync.run("audit", "verify").code == 0
    done = optsync.run("audit", "verify", "--head", head, "--json")
    assert (done.code, done.json()["keeps_head"]) == (1, False)
    assert "does not contain the head" in done.error["error"]
    assert optsync.run("audit", "verify", "--head", "no head").code == 2
