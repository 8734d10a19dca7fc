"""What to stop and why, scanners, floods, languages: the recipients' door over real HTTP."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from optsync import seams
from optsync.ledger import holds
from optsync.ledger.check import may_mail
from optsync.ledger.people import timeline
from optsync.ledger.record import opt_out
from optsync.public import brand, scanners
from optsync.public.brand import Brand
from optsync.public.languages import known, languages
from optsync.public.senders import scope_to_check
from optsync.public.tokens import make_token
from tests.installation import FORM, Installation, Site, served
from tests.networks import network_of, stranger
from tests.servers import Servers

OWN = ("date", "x-request-id")
"""Headers that every answer has for itself alone."""
PAGE_BYTES_MAX = 10_000
BEHIND_SECONDS = 10.0


def link_of(site: Site, address: str, message: str = "", sender: str = "", campaign: str = "") -> str:
    """The path of a person's own link."""
    keys = site.installation.vault.link_keys
    return "/u/" + make_token(keys, seams.real().token_bytes, address, message, sender, campaign)


def is_blocked(site: Site, address: str, sender: str = "") -> bool:
    """The answer of the check before sending, for one sender when named."""
    with site.installation.database.connect() as conn:
        scope = scope_to_check(conn, sender)
        return not may_mail(conn, site.installation.vault.subject_key, [address], sender_scope=scope)[0].allowed


def post(site: Site, path: str, network: str = "", **fields: str) -> tuple[int, str]:
    """Presses a button; `network` is where a proxy of ours says it came from."""
    headers = FORM | ({"X-Forwarded-For": network} if network else {})
    answer, text = site.request("POST", path, urlencode(fields), headers)
    return answer.status, text


def history(site: Site, address: str) -> list[tuple[str, str | None, str | None, object]]:
    """Kind, source, reason and evidence of what happened to a person."""
    with site.installation.database.connect() as conn:
        events = timeline(conn, site.installation.vault.subject_key, address)
    return [(event.kind, event.source, event.reason, event.evidence) for event in events]


@pytest.fixture
def branded(new_site: Site) -> Iterator[Site]:
    """The site of an organisation with a name and colours of its own; a page may be BEHIND_SECONDS behind."""
    acme = Brand("Acme <b>&</b> Söhne", "#7a0019", "#ffb3c1", "help@acme.example", "unsubscribe@acme.example")
    with new_site.installation.database.connect() as conn:
        brand.save(conn, acme, "test")
        yield new_site
        brand.save(conn, Brand(), "test")


def test_r36_one_sender_can_be_stopped_alone_and_the_default_is_everything(site: Site) -> None:
    path = link_of(site, "one.sender@example.com", sender="Jane <b>Doe</b>")
    _, text = site.request("GET", path)
    assert "Stop only e-mails from <bdi>Jane &lt;b&gt;Doe&lt;/b&gt;</bdi>" in text
    assert text.index(">Unsubscribe</button>") < text.index("Stop only")  # Enter presses the first
    status, text = post(site, path, stop="sender")
    assert (status, "You get no more e-mails from" in text) == (200, True)
    assert is_blocked(site, "one.sender@example.com", "jane <b>doe</b>")
    assert not is_blocked(site, "one.sender@example.com", "joe")
    assert not is_blocked(site, "one.sender@example.com")
    with site.installation.database.connect() as conn:
        owed = conn.execute(
            "SELECT count(*) FROM lookup JOIN address a USING (address_id) WHERE a.normal LIKE 'one.sender@%'"
        )
        assert owed.fetchone() == (0,)
    assert post(site, path)[0] == 200
    assert is_blocked(site, "one.sender@example.com")


def test_a_link_without_a_sender_cannot_be_talked_into_less_than_everything(site: Site) -> None:
    path = link_of(site, "no.sender@example.com")
    assert 'name="stop"' not in site.request("GET", path)[1]
    assert post(site, path, stop="sender")[0] == 200
    assert is_blocked(site, "no.sender@example.com")


def test_a_mail_program_s_one_click_stops_everything_also_with_a_sender_in_the_link(site: Site) -> None:
    path = link_of(site, "oneclick.sender@example.com", sender="Jane")
    assert post(site, path, **{"List-Unsubscribe": "One-Click"})[0] == 200
    assert is_blocked(site, "oneclick.sender@example.com")


def test_the_event_carries_message_sender_campaign_and_the_network_but_never_the_whole_address(site: Site) -> None:
    path, address = link_of(site, "evidence@example.com", "<17@crm>", "Jane", "spring"), stranger()
    post(site, path, address)
    evidence = {"message": "<17@crm>", "sender": "Jane", "campaign": "spring", "network": network_of(address)}
    assert history(site, "evidence@example.com") == [("opted out", "clicked link", None, evidence)]
    post(site, link_of(site, "evidence6@example.com"), "2001:db8:1:2::3")
    assert history(site, "evidence6@example.com")[0][3] == {"network": "2001:db8:1::/48"}


def test_a_header_counts_only_from_the_proxies_that_were_named(postgres_servers: Servers, tmp_path: Path) -> None:
    with postgres_servers.fresh_database("embedded") as database:
        here = Installation(database, tmp_path)
        here.environ["OPTSYNC_TRUSTED_PROXIES"] = "203.0.113.0/24"  # nobody calls from there
        with served(here) as alone:
            post(alone, link_of(alone, "forged@example.com"), "192.0.2.1")
            assert history(alone, "forged@example.com")[0][3] == {"network": "127.0.0.0/24"}
        here.environ["OPTSYNC_TRUSTED_PROXIES"] = "127.0.0.1, 203.0.113.0/24"
        with served(here) as behind:
            post(behind, link_of(behind, "cdn@example.com"), "192.0.2.1, 198.51.100.7, 203.0.113.9")
            assert history(behind, "cdn@example.com")[0][3] == {"network": "198.51.100.0/24"}


def test_r33_why_is_asked_when_everything_is_done_and_kept_with_the_person(site: Site) -> None:
    path = link_of(site, "why@example.com", "m-1")
    _, text = post(site, path)
    assert f'action="{path}/why"' in text
    assert "required" not in text
    status, text = post(site, f"{path}/why", why="too_many", comment="Daily!\nSays why@example.com \0" + "x" * 600)
    assert (status, "Thank you." in text) == (200, True)
    _, (kind, source, reason, evidence) = history(site, "why@example.com")
    assert (kind, source, evidence) == ("reason given", "clicked link", {"why": "too_many", "message": "m-1"})
    assert reason is not None
    assert reason.startswith("Daily!\nSays [address]")
    assert len(reason) <= 500


def test_a_person_need_not_say_why_and_nonsense_is_not_kept(site: Site) -> None:
    path = link_of(site, "silent@example.com")
    post(site, path)
    for fields in ({}, {"why": "<script>", "comment": " \0 "}, {"nothing": "x"}):
        assert post(site, f"{path}/why", **fields)[0] == 200
    assert len(history(site, "silent@example.com")) == 1


def test_a_link_in_wrong_hands_cannot_fill_the_history(site: Site) -> None:
    path = link_of(site, "talkative@example.com")
    for number in range(12):
        assert post(site, f"{path}/why", why="other", comment=str(number))[0] == 200
    assert len(history(site, "talkative@example.com")) == 5
    assert not is_blocked(site, "talkative@example.com")


def test_the_reason_stands_in_the_history_of_the_person(site: Site, cookie: str) -> None:
    path = link_of(site, "told@example.com", sender="Jane")
    post(site, path, stop="sender")
    post(site, f"{path}/why", why="never_signed_up", comment="<b>who</b> are you?")
    _, text = site.request(
        "GET", "/people?address=told@example.com", headers={"Cookie": cookie, "Accept-Language": "de"}
    )
    assert "Grund genannt · nie angemeldet · &lt;b&gt;who&lt;/b&gt; are you?" in text
    assert "Nur von einem Absender abgemeldet; in Salesforce wird nichts eingetragen · Jane" in text
    assert "Möchte keine E-Mails von: Jane" in text
    assert site.installation.run("who", "told@example.com", "--json").json()["senders_stopped"] == ["Jane"]


def test_a_burst_of_many_people_from_one_network_is_honoured_and_listed(site: Site) -> None:
    people, network = [f"burst{number}@example.com" for number in range(scanners.PEOPLE + 3)], stranger()
    began = time.monotonic()
    for address in people:
        path = link_of(site, address)
        for _ in range(2):  # a scanner tries a link twice
            assert post(site, path, network)[0] == 200
    took = time.monotonic() - began
    assert all(is_blocked(site, address) for address in people)
    with site.installation.database.connect() as conn:
        (listed,) = [one for one in scanners.waiting(conn) if one.network == network_of(network)]
        assert listed.people == len(people)
        assert listed.seconds <= took
        post(site, link_of(site, people[0]), stranger())  # a human, at home
        assert holds.drop(conn, site.installation.vault.subject_key, listed.hold_id, "test", None) == 0
    assert [address for address in people if is_blocked(site, address)] == people[:1]


def test_the_one_click_posts_of_a_big_mailbox_provider_are_no_scanner_and_its_clicks_may_be(site: Site) -> None:
    one_click, other = {"List-Unsubscribe": "One-Click"}, stranger()
    people = {
        network: [f"{name}{number}@provider.example.com" for number in range(scanners.PEOPLE + 2)]
        for name, network in (("google", "66.249.93.9"), ("other", other), ("scanner", "40.107.8.9"))
    }
    for network, addresses in people.items():
        for address in addresses:
            assert (
                post(site, link_of(site, address), network, **({} if network == "40.107.8.9" else one_click))[0] == 200
            )
    with site.installation.database.connect() as conn:
        listed = {one.network for one in scanners.waiting(conn)}
    assert all(is_blocked(site, address) for addresses in people.values() for address in addresses)
    assert "66.249.93.0/24" not in listed
    assert {network_of(other), "40.107.8.0/24"} <= listed


@pytest.mark.parametrize("fields", [{"List-Unsubscribe": "One-Click"}, {}], ids=["one-click", "page"])
def test_the_program_that_pressed_stands_in_the_evidence_cleaned_and_short(site: Site, fields: dict[str, str]) -> None:
    who = f"agent{len(fields)}@example.com"
    agent = f"Mail/1.0 (of {who};\t x) " + "y" * 5_000
    site.request("POST", link_of(site, who), urlencode(fields), FORM | {"User-Agent": agent})
    (_, _, _, evidence) = history(site, who)[0]
    assert isinstance(evidence, dict)
    assert evidence["agent"].startswith("Mail/1.0 (of [address] x) yyy")
    assert len(evidence["agent"]) == 200


def test_few_people_or_a_network_of_our_own_proxy_are_not_suspicious(site: Site) -> None:
    few = stranger()
    for number in range(scanners.PEOPLE - 1):
        post(site, link_of(site, f"few{number}@example.com"), few)
    for number in range(scanners.PEOPLE + 1):
        post(site, link_of(site, f"proxied{number}@example.com"))
    with site.installation.database.connect() as conn:
        assert not {network_of(few), "127.0.0.0/24"} & {one.network for one in scanners.waiting(conn)}


def test_r33_the_form_answers_alike_to_the_byte_for_known_unknown_and_opted_out(site: Site) -> None:
    """What it does is in tests/public/test_alike.py; what the times say, in `python -m benchmarks alike`."""
    asked = [f"alike.{who}{n}@example.com" for n in range(10) for who in ("known", "unknown", "out")]
    with site.installation.database.connect() as conn:
        for address in asked:
            if "known" in address and "unknown" not in address:
                conn.execute("INSERT INTO address (normal) VALUES (%s)", [address])
            elif "out" in address:
                opt_out(conn, site.installation.vault.subject_key, address, "manual")
    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(lambda n: whole_answer(site, asked[n], stranger()), range(len(asked))))
    assert len(answers) == 1
    assert all(is_blocked(site, address) for address in asked)


def whole_answer(site: Site, address: str, network: str) -> tuple[int, str, frozenset[tuple[str, str]]]:
    """Status, body and headers of the form; only nonce, time and number differ from answer to answer."""
    began = time.monotonic()
    headers = FORM | {"X-Forwarded-For": network}
    answer, text = site.request("POST", "/u/", urlencode({"address": address}), headers)
    assert time.monotonic() - began >= 0.1
    kept = frozenset((name, value) for name, value in answer.getheaders() if name.lower() not in OWN)
    nonce = re.compile("'nonce-[^']+'")
    return answer.status, text, frozenset((name, nonce.sub("nonce", value)) for name, value in kept)


def test_the_anonymous_form_is_bounded_and_a_link_never_is(site: Site) -> None:
    network = stranger()
    found = [post(site, "/u/", network, address=f"flood{n}@example.com") for n in range(30)]
    statuses = [status for status, _ in found]
    assert set(statuses) == {200, 429}
    refused = found[statuses.index(429)][1]
    assert "Please press the button again in a minute." in refused
    assert 'value="flood' in refused
    assert post(site, link_of(site, "flooded@example.com"), network)[0] == 200
    assert is_blocked(site, "flooded@example.com")


@pytest.mark.parametrize("megabytes", [1, 8])
def test_a_huge_body_is_not_read_and_the_opt_out_stands(site: Site, megabytes: int) -> None:
    path = link_of(site, f"huge{megabytes}@example.com")
    answer, _ = site.request("POST", path, "x" * megabytes * 1_000_000, FORM)
    assert answer.status == 200
    assert is_blocked(site, f"huge{megabytes}@example.com")


@pytest.mark.parametrize("code", sorted(languages()))
def test_every_language_is_small_complete_and_says_its_direction(branded: Site, code: str) -> None:
    path = link_of(branded, "language@example.com", sender="Jane Doe")
    _, style = branded.request("GET", "/static/public/page.css")
    language = languages()[code]
    answer, ask = branded.request("GET", f"{path}?lang={language.code}")
    _, done = post(branded, f"{path}?lang={language.code}")
    _, damaged = branded.request("GET", f"/u/?lang={language.code}")
    for text in (ask, done, damaged):
        assert len(text.encode()) + len(style.encode()) < PAGE_BYTES_MAX
        assert f'<html lang="{language.code}" dir="{language.direction}">' in text
        assert "<script" not in text
        assert not re.findall(r"\{\w+\}", text)
    assert answer.getheader("Content-Language") == language.code
    assert answer.getheader("Set-Cookie") is None
    assert language.texts["done"] in done
    assert f'action="{path}?lang={language.code}"' in ask


def test_the_page_shows_the_organisation_in_its_colours_within_ten_seconds(branded: Site) -> None:
    saved, text = time.monotonic(), ""
    while "Acme" not in text:
        asked = time.monotonic() - saved  # however long the answer takes
        assert asked < BEHIND_SECONDS + 0.5
        answer, text = branded.request("GET", link_of(branded, "brand@example.com"))
        time.sleep(0.2)
    assert "No more e-mails from <bdi>Acme &lt;b&gt;&amp;&lt;/b&gt; Söhne</bdi>?" in text
    nonce = text.partition('<style nonce="')[2].partition('"')[0]
    assert f"'nonce-{nonce}'" in (answer.getheader("Content-Security-Policy") or "")
    assert "--brand:light-dark(#7a0019,#ffb3c1)" in text
    assert "Questions? <bdi>help@acme.example</bdi>" in text


def test_a_new_key_for_links_is_known_to_the_running_server_and_old_links_work_on(branded: Site) -> None:
    old = link_of(branded, "old.key@example.com")
    assert post(branded, link_of(branded, "before.key@example.com"))[0] == 200
    assert branded.installation.run("keys", "rotate", "--links").code == 0
    new = link_of(branded, "new.key@example.com")
    assert post(branded, new)[0] == 200
    assert post(branded, old)[0] == 200
    assert is_blocked(branded, "old.key@example.com")
    assert is_blocked(branded, "new.key@example.com")


def test_one_click_always_means_everything_whatever_else_the_body_says(site: Site) -> None:
    link = link_of(site, "oneclick-all@example.com", sender="Jane Doe")
    assert post(site, link, **{"List-Unsubscribe": "One-Click", "stop": "sender"})[0] == 200
    assert is_blocked(site, "oneclick-all@example.com")


def test_a_language_of_60_kb_is_looked_for_no_longer_than_one_of_35_characters() -> None:
    began = time.process_time()  # not that of a busy machine
    assert known("a-" * 30_000) is None
    assert time.process_time() - began < 0.2  # it took half a second and more, growing with the square
