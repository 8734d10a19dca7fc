"""What mail providers tell, over real HTTP: unsubscribes, complaints, bounces arrive once each, and none is lost."""

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet

from optsync import seams
from optsync.config.database import Connection
from optsync.ledger import people
from optsync.ledger.check import may_mail
from optsync.webhooks import inbox, incoming, sources
from optsync.webhooks.providers import PROVIDERS, Policy, Said
from optsync.webhooks.sources import Source
from tests.installation import Installation, Site, served
from tests.servers import Servers
from tests.web import provider_posts as posts
from tests.web.conftest import read, sign_in
from tests.web.provider_posts import MakePost, Post

KEY = "a-signing-key-0123456789"


TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"


@pytest.fixture
def provider_secrets(new_site: Site) -> dict[str, str]:
    """Every provider may call, hard bounces count; the password in the address of each."""
    return {slug: secret_of(add(new_site, slug, Policy(bounces=True))) for slug in PROVIDERS}


def add(site: Site, slug: str, policy: Policy | None = None, signing_key: str = "") -> str:
    """Lets one provider call, afresh; its address."""
    provider, vault = PROVIDERS[slug], site.installation.vault
    with site.installation.database.connect() as conn:
        conn.execute("DELETE FROM mail_source WHERE provider = %s", [slug])
        conn.execute("DELETE FROM inbox WHERE provider = %s AND deed = 'unreadable'", [slug])
        secret = sources.add(
            conn,
            vault,
            seams.real().token_bytes,
            provider,
            policy or Policy(),
            signing_key=signing_key,
            topic=TOPIC if provider.needs_topic else "",
            actor="test",
        )
    return sources.address_of(site.url, provider, secret)


def secret_of(url: str) -> str:
    """The password in an address."""
    return urlsplit(url).password or ""


def call(site: Site, slug: str, post: Post, secret: str | None) -> tuple[int, str]:
    """Calls as the provider does; the status and the answer."""
    headers = dict(post.headers)
    if secret is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"optsync:{secret}".encode()).decode()
    answer, text = site.request("POST", f"/webhooks/{slug}", post.body, headers)
    return answer.status, text


def sources_of(site: Site, address: str) -> list[tuple[str, str | None]]:
    """What the history of a person says: kinds and sources."""
    with site.installation.database.connect() as conn:
        history = people.timeline(conn, site.installation.vault.subject_key, address)
    return [(entry.kind, entry.source) for entry in history]


def state_of(site: Site, slug: str) -> Source:
    """A provider as it is stored."""
    with site.installation.database.connect() as conn:
        found = sources.find(conn, slug)
    assert found is not None
    return found


def names(kind: str, slug: str) -> str:
    """Somebody whom no other test knows."""
    return f"{kind}-{slug.replace('_', '-')}@told.example.com"


@pytest.mark.parametrize(
    ("kind", "made", "source"),
    [
        ("unsubscribe", posts.UNSUBSCRIBES, "mail provider"),
        ("complaint", posts.COMPLAINTS, "complaint"),
        ("bounce", posts.BOUNCES, "bounce"),
    ],
)
def test_every_provider_is_understood_and_a_repeated_event_changes_nothing(
    new_site: Site, provider_secrets: dict[str, str], kind: str, made: dict[str, MakePost], source: str
) -> None:
    for slug, make in made.items():
        address, secret = names(kind, slug), provider_secrets[slug]
        assert call(new_site, slug, make(address), secret) == (200, "Taken: 1.\n"), slug
        assert call(new_site, slug, make(address), secret) == (200, "Taken: 0.\n"), slug
        assert sources_of(new_site, address) == [("opted out", source)], slug
        assert state_of(new_site, slug).last_event_at, slug
    with new_site.installation.database.connect() as conn:
        key = new_site.installation.vault.subject_key
        verdicts = may_mail(conn, key, [names(kind, slug) for slug in made])
    assert not any(verdict.allowed for verdict in verdicts)


def test_brevo_says_unsubscribed_of_a_single_mail_and_unsubscribe_of_a_campaign(
    new_site: Site, provider_secrets: dict[str, str]
) -> None:
    for word in ("unsubscribed", "unsubscribe"):
        address = names(f"said-{word}", "brevo")
        assert call(new_site, "brevo", posts.brevo(word, address), provider_secrets["brevo"]) == (200, "Taken: 1.\n")
        assert sources_of(new_site, address) == [("opted out", "mail provider")], word


def test_leaving_twice_is_two_events_also_where_the_provider_numbers_none_and_the_time_is_not_read(
    new_site: Site, provider_secrets: dict[str, str]
) -> None:
    told = {"event": "unsubscribed", "email": "twice@told.example.com", "message-id": "<m1@relay.example>"}
    first, second = (Post(json.dumps(told | {"ts_event": posts.AT + n, "date": f"2026-09-2{n}"})) for n in (1, 2))
    taken = [call(new_site, "brevo", post, provider_secrets["brevo"])[1] for post in (first, first, second, second)]
    assert taken == ["Taken: 1.\n", "Taken: 0.\n", "Taken: 1.\n", "Taken: 0.\n"], "an admin may have lifted the first"


def test_a_mailbox_that_is_only_full_is_not_opted_out(new_site: Site, provider_secrets: dict[str, str]) -> None:
    for slug, make in posts.PASSING.items():
        address = names("passing", slug)
        assert call(new_site, slug, make(address), provider_secrets[slug]) == (200, "Taken: 0.\n"), slug
        assert sources_of(new_site, address) == [], slug


def test_the_evidence_names_the_provider_the_event_the_time_and_the_campaign(new_site: Site) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    call(new_site, "sendgrid", posts.sendgrid(posts.sendgrid_event("unsubscribe", "proof@told.example.com")), secret)
    with new_site.installation.database.connect() as conn:
        (entry,) = people.timeline(conn, new_site.installation.vault.subject_key, "proof@told.example.com")
    assert entry.evidence == {
        "provider": "SendGrid",
        "event": "sg-unsubscribe-[address]-1",
        "type": "unsubscribe",
        "at": "2026-09-21T14:13:20+00:00",
        "message": "<m1@sg.example>",
        "tags": ["autumn"],
    }


def test_bounces_do_not_opt_out_unless_asked_for_and_complaints_do_unless_told_not_to(new_site: Site) -> None:
    secret = secret_of(add(new_site, "brevo"))
    assert call(new_site, "brevo", posts.brevo("hard_bounce", "b1@policy.example.com"), secret)[0] == 200
    assert call(new_site, "brevo", posts.brevo("spam", "c1@policy.example.com"), secret)[0] == 200
    secret = secret_of(add(new_site, "brevo", Policy(complaints=False, bounces=True)))
    assert call(new_site, "brevo", posts.brevo("hard_bounce", "b2@policy.example.com"), secret)[0] == 200
    assert call(new_site, "brevo", posts.brevo("spam", "c2@policy.example.com"), secret)[0] == 200
    known = [bool(sources_of(new_site, f"{one}@policy.example.com")) for one in ("b1", "c1", "b2", "c2")]
    assert known == [False, True, True, False]


def test_leaving_a_group_counts_as_leaving_altogether_unless_the_policy_says_otherwise(new_site: Site) -> None:
    left = [posts.sendgrid_event("group_unsubscribe", f"g{n}@group.example.com", asm_group_id=7) for n in (1, 2)]
    call(new_site, "sendgrid", posts.sendgrid(left[0]), secret_of(add(new_site, "sendgrid")))
    call(new_site, "sendgrid", posts.sendgrid(left[1]), secret_of(add(new_site, "sendgrid", Policy(groups=False))))
    assert sources_of(new_site, "g1@group.example.com") == [("opted out", "mail provider")]
    assert sources_of(new_site, "g2@group.example.com") == [("left a group", "mail provider")]
    assert new_site.installation.run("check", "g2@group.example.com").code == 0


def test_what_the_provider_suppresses_counts_and_a_resubscribe_only_stands_in_the_history(new_site: Site) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    dropped = posts.sendgrid_event("dropped", "s1@list.example.com", reason="Unsubscribed Address")
    back = posts.sendgrid_event("group_resubscribe", "s1@list.example.com", asm_group_id=7)
    assert call(new_site, "sendgrid", posts.sendgrid(dropped, back), secret) == (200, "Taken: 2.\n")
    assert sources_of(new_site, "s1@list.example.com") == [
        ("opted out", "mail provider"),
        ("provider resubscribed", "mail provider"),
    ]
    assert new_site.installation.run("check", "s1@list.example.com").code == 3
    assert "optsync does not sync that" in new_site.installation.run("who", "s1@list.example.com").out


def test_a_broken_event_in_the_middle_of_a_batch_costs_no_other(new_site: Site, admin: str) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    broken = [
        {"event": "unsubscribe", "timestamp": 10**30, "email": "odd@broken.example.com"},
        {"event": "unsubscribe", "timestamp": posts.AT, "email": None},
        {"event": "unsubscribe", "timestamp": posts.AT, "email": {"a": "b"}},
        {"timestamp": posts.AT},
        {"event": ["unsubscribe"]},
        None,
        7,
        "<script>alert(1)</script>",
        [[]],
    ]
    first, last = (posts.sendgrid_event("unsubscribe", f"{word}@broken.example.com") for word in ("first", "last"))
    assert call(new_site, "sendgrid", posts.sendgrid(first, *broken, last), secret)[0] == 200
    for word in ("first", "last"):
        assert sources_of(new_site, f"{word}@broken.example.com") == [("opted out", "mail provider")]
    assert state_of(new_site, "sendgrid").unreadable == len(broken)


HOSTILE = [
    "a\0b@hostile.example.com",
    "\ud800x@hostile.example.com",
    "\u202eevil@hostile.example.com",
    "<img src=x onerror=alert(1)>@hostile.example.com",
    "x" * 70_000 + "@hostile.example.com",
    "';DROP TABLE inbox;--@hostile.example.com",
    "%s%(x)s{0}@hostile.example.com",
    'Ann "<b>" <ANN@Hostile.Example.COM>',
]


def test_hostile_names_are_recorded_as_they_are(new_site: Site) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    odd: dict[str, Any] = {
        "category": ["\0<script>", "\ud800", "\u202e"],
        "reason": "\0\ud83d",
        "marketing_campaign_name": "{{ 7*7 }}",
    }
    events = [posts.sendgrid_event("unsubscribe", address, **odd) for address in HOSTILE]
    assert call(new_site, "sendgrid", posts.sendgrid(*events), secret) == (200, f"Taken: {len(HOSTILE)}.\n")
    for address in HOSTILE:
        assert ("opted out", "mail provider") in sources_of(new_site, address), address[:40]


def test_a_byte_in_a_wrong_encoding_damages_one_word_only(new_site: Site) -> None:
    add(new_site, "sendgrid")
    secret = secret_of(add(new_site, "sendgrid"))
    events = [posts.sendgrid_event("unsubscribe", f"{word}@latin.example.com", category=["gr_n"]) for word in "ab"]
    body = json.dumps(events).encode().replace(b"gr_n", b"gr\xfcn")
    assert raw_call(new_site, "sendgrid", body, secret) == 200
    assert [bool(sources_of(new_site, f"{word}@latin.example.com")) for word in "ab"] == [True, True]
    assert raw_call(new_site, "sendgrid", json.dumps(events).encode("utf-16"), secret) == 400


def raw_call(site: Site, slug: str, body: bytes, secret: str) -> int:
    """A call with a body of bytes."""
    where = urlsplit(site.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    seal = "Basic " + base64.b64encode(f"optsync:{secret}".encode()).decode()
    connection.request("POST", f"/webhooks/{slug}", body, {"Authorization": seal, "Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize(
    "body", ["", "{", "null", "7", "[" * 100_000, '"text"', "a=b", "<xml/>", '{"events_by_user": 7}', "9" * 5000]
)
def test_a_body_that_holds_no_events_is_refused_and_said_on_the_page(new_site: Site, body: str) -> None:
    secret = secret_of(add(new_site, "mailtrap"))
    status, text = call(new_site, "mailtrap", Post(body), secret)
    assert (status, text) == (400, "Nothing was taken: a body that is not the JSON of this provider's events.\n")
    assert "not the JSON" in str(state_of(new_site, "mailtrap").rejected_why)


def test_a_body_above_the_cap_is_refused_and_a_big_one_below_is_taken(new_site: Site) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    event = posts.sendgrid_event("unsubscribe", "big@size.example.com")
    assert call(new_site, "sendgrid", Post(json.dumps([event]) + " " * (4 << 20)), secret)[0] == 413
    assert sources_of(new_site, "big@size.example.com") == []
    assert "4 MB" in str(state_of(new_site, "sendgrid").rejected_why)
    assert call(new_site, "sendgrid", Post(json.dumps([event]) + " " * (3 << 20)), secret)[0] == 200
    assert sources_of(new_site, "big@size.example.com") == [("opted out", "mail provider")]


def test_a_wrong_secret_leaves_no_trace_but_when_and_why(new_site: Site) -> None:
    add(new_site, "postmark")
    post = posts.UNSUBSCRIBES["postmark"]("wrong@secret.example.com")
    for secret, why in (("nonsense", "wrong secret"), ("", "wrong secret"), (None, "no secret")):
        with new_site.installation.database.connect() as conn:
            conn.execute("UPDATE mail_source SET rejected_at = NULL")  # as if the one before were a second ago
        assert call(new_site, "postmark", post, secret) == (403, f"Refused: {why}.\n")
        state = state_of(new_site, "postmark")
        assert (state.rejected_why, state.last_event_at) == (why, None)
    with new_site.installation.database.connect() as conn:
        counted = conn.execute("SELECT count(*) FROM inbox WHERE provider = 'postmark'").fetchone()
    assert sources_of(new_site, "wrong@secret.example.com") == []
    assert counted is not None


def test_a_provider_that_was_not_added_or_is_unknown_is_not_there(new_site: Site) -> None:
    with new_site.installation.database.connect() as conn:
        conn.execute("DELETE FROM mail_source WHERE provider = 'mandrill'")
    for slug in ("mandrill", "postal", "nobody"):
        assert call(new_site, slug, Post("[]"), "x")[0] == 404
    assert new_site.request("HEAD", "/webhooks/mandrill")[0].status == 200
    assert new_site.request("GET", "/webhooks/unisender_go")[0].status == 200


@pytest.mark.parametrize("slug", ["mailgun", "mailersend", "mailtrap", "mandrill", "unisender_go"])
def test_a_provider_with_its_own_signature_is_believed_by_it_alone(new_site: Site, slug: str) -> None:
    url = add(new_site, slug, signing_key=KEY)
    secret = secret_of(url)
    address = names("signed", slug)
    post = posts.UNSUBSCRIBES[slug](address)
    forged = posts.signed(slug, post, "another key", url)
    assert call(new_site, slug, post, secret) == (403, "Refused: wrong signature.\n")
    assert call(new_site, slug, forged, secret) == (403, "Refused: wrong signature.\n")
    assert sources_of(new_site, address) == []
    assert call(new_site, slug, posts.signed(slug, post, KEY, url), secret) == (200, "Taken: 1.\n")
    without = url.replace(f":{secret}@", ":@")
    answer = call(new_site, slug, posts.signed(slug, post, KEY, without), None)
    if slug == "mailgun":  # signs a time and a token, not what it says: whoever saw one call could say anything
        assert answer == (403, "Refused: no secret.\n")
    else:
        assert answer == (200, "Taken: 0.\n")


def test_a_rotated_secret_opens_until_the_new_one_is_used(new_site: Site) -> None:
    old = secret_of(add(new_site, "brevo"))
    rotated = new_site.installation.run("providers", "rotate", "brevo", "--json").json()
    new = secret_of(rotated["url"])
    post = posts.brevo("opened", "x@rotated.example.com")
    assert old != new
    assert [call(new_site, "brevo", post, one)[0] for one in (old, new, old)] == [200, 200, 403]


def test_a_secret_that_is_rotated_twice_opens_as_long_as_no_newer_one_is_used(new_site: Site) -> None:
    """The second rotation once shut out the secret that the provider still had, and so its unsubscribes."""
    deployed = secret_of(add(new_site, "postmark"))
    rotate = new_site.installation.run
    unused, newest = (secret_of(rotate("providers", "rotate", "postmark", "--json").json()["url"]) for _ in range(2))
    post = posts.postmark("Open", "x@twice.example.com")
    assert [call(new_site, "postmark", post, one)[0] for one in (deployed, unused, newest)] == [200, 200, 200]
    assert [call(new_site, "postmark", post, one)[0] for one in (deployed, unused, newest)] == [403, 403, 200]


def test_a_thousand_events_in_one_call_are_taken(new_site: Site) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    events = [posts.sendgrid_event("unsubscribe", f"p{n}@thousand.example.com") for n in range(1000)]
    began = time.monotonic()
    assert call(new_site, "sendgrid", posts.sendgrid(*events), secret) == (200, "Taken: 1000.\n")
    seconds = time.monotonic() - began
    assert seconds < 15, seconds
    assert new_site.installation.run("check", "p0@thousand.example.com", "p999@thousand.example.com").code == 3


def test_a_row_that_can_never_be_recorded_is_shown_and_blocks_no_other(new_site: Site) -> None:
    key = new_site.installation.vault.subject_key
    said = [Said("unsubscribe", f"{n}@stuck.example.com", f"s{n}", {"provider": "Brevo"}) for n in range(3)]
    with new_site.installation.database.connect() as conn, refusing(conn, "P0001", "0@stuck.example.com"):
        inbox.put(conn, key, PROVIDERS["brevo"], said)
        assert not inbox.take_waiting(conn, key)
        assert allowed(conn, key, said) == [True, False, False]
        assert any(one.why == "RaiseException" for one in inbox.unreadable(conn, PROVIDERS["brevo"]))


def test_an_event_that_cannot_be_recorded_now_keeps_nobody_waiting_and_is_tried_again(new_site: Site) -> None:
    key = new_site.installation.vault.subject_key
    said = [Said("unsubscribe", f"{n}@busy.example.com", f"b{n}", {"provider": "Brevo"}) for n in range(4)]
    with new_site.installation.database.connect() as conn, refusing(conn, "40001", "0@busy.example.com"):
        inbox.put(conn, key, PROVIDERS["brevo"], said)
        assert inbox.take_waiting(conn, key, 1), "what is behind it may go on"
        while inbox.take_waiting(conn, key, 1):
            pass
        assert allowed(conn, key, said) == [True, False, False, False]
        for seconds in (4, 8, 16):
            conn.execute("UPDATE inbox SET try_at = clock() WHERE address = '0@busy.example.com'")
            inbox.take_waiting(conn, key)
            row = conn.execute("SELECT try_at - clock() FROM inbox WHERE address = '0@busy.example.com'").fetchone()
            assert row is not None
            assert seconds / 2 < row[0].total_seconds() <= seconds, "twice as long each time, less what passed since"
        add(new_site, "brevo")
        assert state_of(new_site, "brevo").put_off == 1
        assert "1 event could not be recorded yet" in read(
            new_site, sign_in(new_site), "/settings/unsubscribes/sources/brevo"
        )
        assert "1 events could not be recorded yet" in new_site.installation.run("providers", "list").out
    with new_site.installation.database.connect() as conn:
        conn.execute("UPDATE inbox SET try_at = clock() WHERE address = '0@busy.example.com'")
        inbox.take_waiting(conn, key)
        assert allowed(conn, key, said) == [False] * 4
    assert state_of(new_site, "brevo").put_off == 0


def test_an_event_that_makes_our_own_code_fail_costs_no_other(new_site: Site) -> None:
    """A lone surrogate cannot be sent to PostgreSQL; it never gets so far by a post, and must not stop a worker."""
    key = new_site.installation.vault.subject_key
    said = [Said("unsubscribe", f"{n}@odd.example.com", f"o{n}", {"provider": "Brevo"}) for n in range(2)]
    with new_site.installation.database.connect() as conn:
        numbers = inbox.put(conn, key, PROVIDERS["brevo"], said).waiting
        rows = inbox.waiting(conn, "inbox_waiting_of", list(numbers))
        inbox.take_each(conn, key, [replace(rows[0], deed="unknown"), rows[1]])  # type: ignore[arg-type]
        assert allowed(conn, key, said) == [True, False]
        assert any(one.why == "KeyError" for one in inbox.unreadable(conn, PROVIDERS["brevo"]))


def test_a_small_post_is_recorded_at_once_also_behind_a_backlog(new_site: Site) -> None:
    secret, key = secret_of(add(new_site, "brevo")), new_site.installation.vault.subject_key
    said = [Said("unsubscribe", f"{n}@backlog.example.com", f"l{n}", {"provider": "Brevo"}) for n in range(1_100)]
    with new_site.installation.database.connect() as conn:
        inbox.put(conn, key, PROVIDERS["brevo"], said)
        post = posts.UNSUBSCRIBES["brevo"]("small@backlog.example.com")
        assert call(new_site, "brevo", post, secret) == (200, "Taken: 1.\n")
        assert not may_mail(conn, key, ["small@backlog.example.com"])[0].allowed
        assert any(allowed(conn, key, said)), "there was a backlog"
        while inbox.take_waiting(conn, key):
            pass


def test_a_repeated_post_records_what_the_first_one_left_behind(new_site: Site) -> None:
    secret, key = secret_of(add(new_site, "sendgrid")), new_site.installation.vault.subject_key
    post = posts.sendgrid(posts.sendgrid_event("unsubscribe", "left@behind.example.com"))
    with new_site.installation.database.connect() as conn, refusing(conn, "40001", "left@behind.example.com"):
        assert call(new_site, "sendgrid", post, secret) == (200, "Taken: 1.\n")
        assert may_mail(conn, key, ["left@behind.example.com"])[0].allowed
    assert call(new_site, "sendgrid", post, secret) == (200, "Taken: 0.\n")
    with new_site.installation.database.connect() as conn:
        assert not may_mail(conn, key, ["left@behind.example.com"])[0].allowed


@contextlib.contextmanager
def refusing(conn: Connection, state: str, normal: str) -> Iterator[None]:
    """The database refuses one person for as long as the block lasts."""
    conn.execute(f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     IF NEW.normal = '{normal}' THEN RAISE 'not now' USING ERRCODE = '{state}'; END IF;
                     RETURN NEW; END $$""")
    conn.execute("CREATE TRIGGER refuse BEFORE INSERT ON address FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        yield
    finally:
        conn.execute("DROP FUNCTION refuse CASCADE")


def allowed(conn: Connection, key: bytes, said: Sequence[Said]) -> list[bool]:
    """Who of them may be mailed."""
    return [verdict.allowed for verdict in may_mail(conn, key, [one.address for one in said])]


def test_a_signature_of_mailgun_counts_for_one_event_and_one_day(new_site: Site) -> None:
    url = add(new_site, "mailgun", signing_key=KEY)
    secret = secret_of(url)
    good = posts.signed("mailgun", posts.UNSUBSCRIBES["mailgun"]("fresh@mailgun.example.com"), KEY)
    other = json.loads(good.body)
    other["event-data"]["recipient"] = "victim@mailgun.example.com"
    now = int(time.time())
    old = [
        posts.signed("mailgun", posts.UNSUBSCRIBES["mailgun"](f"old{n}@mailgun.example.com"), KEY, at=at)
        for n, at in enumerate((now - 25 * 3600, now + 25 * 3600, now - 23 * 3600))
    ]
    assert call(new_site, "mailgun", good, secret) == (200, "Taken: 1.\n")
    assert call(new_site, "mailgun", good, secret) == (200, "Taken: 0.\n"), "a retry is no replay"
    forged = call(new_site, "mailgun", Post(json.dumps(other), good.headers), secret)
    assert forged == (403, "Refused: a signature that was used before.\n")
    assert sources_of(new_site, "victim@mailgun.example.com") == []
    assert [call(new_site, "mailgun", post, secret)[0] for post in old] == [403, 403, 200]
    bare = Post(json.dumps({"signature": json.loads(old[2].body)["signature"]}), good.headers)
    assert call(new_site, "mailgun", bare, secret)[0] == 400


def test_a_storm_of_refused_calls_is_no_storm_of_writes(new_site: Site) -> None:
    add(new_site, "postmark")
    with new_site.installation.database.connect() as conn:
        conn.execute("CREATE TABLE written (at timestamptz)")
        conn.execute("""CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        INSERT INTO written VALUES (now()); RETURN NULL; END $$""")
        conn.execute("CREATE TRIGGER count_it AFTER UPDATE ON mail_source FOR EACH ROW EXECUTE FUNCTION count_it()")
        began = time.monotonic()
        for n in range(60):
            assert call(new_site, "postmark", Post("{}"), ("nonsense", None)[n % 2])[0] == 403
        seconds = time.monotonic() - began
        (count,) = conn.execute("SELECT count(*) FROM written").fetchone() or (0,)
        conn.execute("DROP FUNCTION count_it CASCADE")
        conn.execute("DROP TABLE written")
    assert 1 <= count <= seconds + 1


def test_a_key_that_our_key_file_cannot_read_loses_nothing(new_site: Site) -> None:
    url = add(new_site, "mailtrap", signing_key=KEY)
    post = posts.signed("mailtrap", posts.UNSUBSCRIBES["mailtrap"]("key@file.example.com"), KEY, url)
    stranger = Fernet(Fernet.generate_key()).encrypt(KEY.encode())
    with new_site.installation.database.connect() as conn:
        kept = conn.execute("SELECT signing_key FROM mail_source WHERE provider = 'mailtrap'").fetchone()
        assert kept is not None
        change = "UPDATE mail_source SET signing_key = %s WHERE provider = 'mailtrap'"
        conn.execute(change, [stranger])
        status, text = call(new_site, "mailtrap", post, secret_of(url))
        conn.execute(change, [kept[0]])
    assert (status, "Send it again." in text) == (503, True)
    assert state_of(new_site, "mailtrap").rejected_why == incoming.KEY_UNREADABLE


def test_a_lift_is_not_undone_by_a_replay(new_site: Site) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    post = posts.sendgrid(posts.sendgrid_event("unsubscribe", "lifted@told.example.com"))
    call(new_site, "sendgrid", post, secret)
    assert new_site.installation.run("lift", "lifted@told.example.com", "--reason", "asked us").code == 0
    assert call(new_site, "sendgrid", post, secret) == (200, "Taken: 0.\n")
    assert new_site.installation.run("check", "lifted@told.example.com").code == 0


def test_what_was_acknowledged_and_not_recorded_is_recorded_by_whoever_comes_next(new_site: Site) -> None:
    """As if the receiver had been killed between its two commits."""
    secret = secret_of(add(new_site, "sendgrid"))
    key = new_site.installation.vault.subject_key
    with new_site.installation.database.connect() as conn:
        said = [Said("unsubscribe", f"{n}@killed.example.com", f"k{n}", {"provider": "SendGrid"}) for n in range(3)]
        assert inbox.put(conn, key, PROVIDERS["sendgrid"], said).new == 3
        assert sources_of(new_site, "1@killed.example.com") == []
        assert call(new_site, "sendgrid", posts.sendgrid(), secret) == (200, "Taken: 0.\n")
        assert sources_of(new_site, "1@killed.example.com") == [("opted out", "mail provider")]
        left = conn.execute("SELECT count(*) FROM inbox WHERE address LIKE '%@killed.example.com'").fetchone()
    assert left == (0,)


def test_an_event_that_waits_is_taken_by_a_worker_within_seconds(postgres_servers: Servers, tmp_path: Path) -> None:
    with postgres_servers.fresh_database("embedded") as database:
        here = Installation(database, tmp_path)
        key = here.vault.subject_key
        with database.connect() as conn:
            inbox.put(conn, key, PROVIDERS["brevo"], [Said("complaint", "late@killed.example.com", "k", {})])
            worker = here.start("worker")
            try:
                assert within(20, lambda: not may_mail(conn, key, ["late@killed.example.com"])[0].allowed)
            finally:
                worker.terminate()
                worker.communicate(timeout=40)


def test_kill_9_between_the_inbox_and_the_ledger_loses_nothing(postgres_servers: Servers, tmp_path: Path) -> None:
    """The web server is killed while it records a batch; every event of it is recorded by the one that starts next."""
    people_told = [f"p{n}@kill.example.com" for n in range(3000)]
    events = [posts.sendgrid_event("unsubscribe", address) for address in people_told]
    with postgres_servers.fresh_database("embedded") as database:
        here = Installation(database, tmp_path)
        key = here.vault.subject_key
        with database.connect() as conn:
            with served(here) as site, slowly(conn):
                secret = secret_of(add(site, "sendgrid"))
                caller = threading.Thread(target=lambda: call_until_cut(site, posts.sendgrid(*events), secret))
                caller.start()
                taken = "SELECT count(*) > 20 FROM inbox WHERE taken_at IS NOT NULL"
                assert within(20, lambda: conn.execute(taken).fetchone() == (True,))
                kill_everybody(site)
                caller.join(20)
            row = conn.execute("SELECT count(*) FROM inbox WHERE taken_at IS NULL").fetchone()
            assert row is not None
            assert 0 < row[0] < len(events), "killed too late to prove anything"
            with served(here) as again:
                assert call(again, "sendgrid", posts.sendgrid(*events), secret) == (200, "Taken: 0.\n")
            while inbox.take_waiting(conn, key):
                pass  # as a worker does
            assert not any(verdict.allowed for verdict in may_mail(conn, key, people_told))
            counted = conn.execute("SELECT count(*), count(DISTINCT subject) FROM event WHERE kind = 'opted out'")
            assert counted.fetchone() == (len(events), len(events))


@contextlib.contextmanager
def slowly(conn: Connection) -> Iterator[None]:
    """Each new person costs the database some milliseconds, so that nothing is over before it is interrupted."""
    conn.execute("""CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    PERFORM pg_sleep(0.005); RETURN NEW; END $$""")
    conn.execute("CREATE TRIGGER dawdle BEFORE INSERT ON address FOR EACH ROW EXECUTE FUNCTION dawdle()")
    yield
    conn.execute("DROP FUNCTION dawdle CASCADE")


def call_until_cut(site: Site, post: Post, secret: str) -> None:
    """A call whose server dies."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        call(site, "sendgrid", post, secret)


def kill_everybody(site: Site) -> None:
    """kill -9 of the web server and its worker processes."""
    port = str(urlsplit(site.url).port)
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"serve" in words and port.encode() in words:
                os.kill(int(folder.name), signal.SIGKILL)


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_the_command_line_adds_lists_and_removes(new_site: Site) -> None:
    run = new_site.installation.run
    with new_site.installation.database.connect() as conn:
        conn.execute("DELETE FROM mail_source")
    assert run("providers", "list").out.startswith("– No mail provider is connected.")
    added = run("providers", "add", "mailgun", "--bounces", "--signing-key", "-", stdin=f"{KEY}\n")
    assert re.fullmatch(r"http://optsync:[\w-]{32}@127\.0\.0\.1:8000/webhooks/mailgun\n", added.out)
    assert "not shown again" in added.err
    again = run("providers", "add", "mailgun")
    assert (again.code, again.error["error"]) == (1, "Mailgun is connected already")
    (listed,) = run("providers", "list", "--json").json()["providers"]
    assert (listed["bounces"], listed["checks_signature"], listed["last_event_at"]) == (True, True, None)
    assert KEY not in run("providers", "list", "--json").out
    assert run("providers", "remove", "mailgun").code == 5
    assert run("providers", "remove", "mailgun", "--yes").code == 0
    assert run("providers", "rotate", "mailgun").error["error"] == "Mailgun is not connected"
    for wrong in (["add", "postal"], ["add", "sendgrid", "--signing-key", "-"], ["add", "amazon_ses"]):
        assert run("providers", *wrong, stdin="no key").code == 2, wrong


def test_a_signing_key_is_stored_encrypted_and_survives_a_rotation_of_the_keys(new_site: Site) -> None:
    url = add(new_site, "mailgun", signing_key=KEY)
    with new_site.installation.database.connect() as conn:
        before = conn.execute("SELECT signing_key FROM mail_source WHERE provider = 'mailgun'").fetchone()
        assert new_site.installation.run("keys", "rotate").code == 0
        after = conn.execute("SELECT signing_key FROM mail_source WHERE provider = 'mailgun'").fetchone()
    assert before
    assert after
    assert KEY.encode() not in before[0]
    assert before != after
    post = posts.signed("mailgun", posts.UNSUBSCRIBES["mailgun"]("rotated@keys.example.com"), KEY)
    assert call(new_site, "mailgun", post, secret_of(url)) == (200, "Taken: 1.\n")
