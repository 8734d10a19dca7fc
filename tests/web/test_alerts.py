"""Alerts on the pages: channels, what is told and when, the problems, and the legal clock."""

from optsync.alerts import channels, watching
from optsync.connection.connect import connections
from optsync.ledger import marks, people, record
from optsync.ledger.people import Link
from tests.installation import Site
from tests.web.conftest import press, read

HERE = "/settings/alerts"


def test_a_channel_is_added_tested_and_removed(site: Site, cookie: str) -> None:
    status, text = press(
        site, cookie, HERE, deed="add", kind="webhook", target="https://own-chat.example.com/secret/path"
    )
    assert status == 302
    assert "own-chat.example.com" in text
    assert "secret/path" not in text
    assert "Nothing sent yet" in text
    assert "On its way" in press(site, cookie, HERE, deed="test")[1]
    with site.installation.database.connect() as conn:
        number = channels.listing(conn)[-1].channel_id
    assert "own-chat.example.com" not in press(site, cookie, HERE, deed="remove", channel=str(number))[1]


def test_a_wrong_target_comes_back_with_what_was_typed(site: Site, cookie: str) -> None:
    for kind, target, said in (
        ("email", "nobody", "This is not an e-mail address"),
        ("webhook", "http://chat.example.com/", "it does not begin with https://"),
        ("heartbeat", "\"'>", "it is no address of the form"),
        ("nonsense", "x", "This is not an e-mail address"),
    ):
        status, text = press(site, cookie, HERE, deed="add", kind=kind, target=target)
        assert (status, said in text) == (422, True), kind


def test_every_rule_is_explained_and_a_problem_is_told_in_the_readers_language(site: Site, cookie: str) -> None:
    assert "after 48 hours, and before 10 business days end" in read(site, cookie, HERE)
    with site.installation.database.connect() as conn:
        org = connections(conn)[0]
        marks.pause(conn, org.org_id, 0, "", 3600, "invalid_grant", "no")
        watching.look(conn)
        conn.execute("UPDATE alert SET opened_at = opened_at - interval '1 hour' WHERE rule = 'sign-in'")
        watching.look(conn)
        try:
            assert "refuses our sign-in: invalid_grant." in read(site, cookie, HERE)
            assert "lehnt unsere Anmeldung ab: invalid_grant." in read(site, cookie, HERE, "de")
        finally:
            marks.clear_pauses(conn, org.org_id)
            conn.execute("DELETE FROM alert WHERE rule = 'sign-in'")


def test_the_legal_clock_is_on_the_overview_and_beside_the_refusal(site: Site, cookie: str) -> None:
    key = site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(conn, key, org_id, [Link("003000000000777AAA", "Contact", "late@clock.example.com")], "g")
        done = record.opt_out(conn, key, "late@clock.example.com", "manual")
        refused = "UPDATE mark SET state = 'p', reason = 'CLOCK_CODE: no', due_at = NULL WHERE record_id = %s"
        conn.execute(refused, ["003000000000777AAA"])
        conn.execute("UPDATE opt_out SET since = clock() - interval '3 days' WHERE address_id = %s", [done.address_id])
        try:
            text = read(site, cookie, "/")
            assert "Oldest opt-out that is not in Salesforce: 3 days." in text
            assert "Gmail and Yahoo 48 hours" in text
            assert "Die Person ist hier gesperrt." in read(site, cookie, "/", "de")
            assert "The oldest of these opt-outs waits for 3 days." in read(site, cookie, "/issues")
        finally:
            conn.execute("UPDATE mark SET state = 'c', reason = NULL WHERE record_id = '003000000000777AAA'")
