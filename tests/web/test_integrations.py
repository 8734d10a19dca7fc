"""Settings > Unsubscribes > Integrations: seen before it is saved, saved by POST, refused with the fix."""

import http.client
import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest

from optsync import seams
from optsync.connection import fields
from optsync.connection.connect import connections
from optsync.connection.sessions import open_session
from optsync.connection.settings import Settings, load
from optsync.core.targets import Choice
from optsync.salesforce.session import API_VERSION
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import read, submit

PAGE = "/settings/unsubscribes/integrations"
FORM = {"sync": "on", "field": "email", "time": "20:00", "zone": "America/Los_Angeles"}


def settings_of(site: Site) -> Settings:
    """What is saved."""
    with site.installation.database.connect() as conn:
        return load(conn, connections(conn)[0].org_id)


def post(site: Site, cookie: str, **values: str) -> tuple[int, str]:
    """Presses a button of the form."""
    answer, text = submit(site, cookie, PAGE, **values)
    return answer.status, text


@pytest.fixture(autouse=True)
def as_at_the_start(site: Site, practice_org: PracticeOrg, cookie: str) -> Iterator[None]:
    """Each test leaves the switch off and Email Opt Out chosen, everything granted, no fault on order."""
    yield
    practice_org.clear_faults()
    for name in ("Lead", "Contact"):
        practice_org.grant(name, "HasOptedOutOfEmail", "edit")
    with site.installation.database.connect() as conn:
        conn.execute("UPDATE settings SET custom_field = NULL, choice = 'email', read_both = false")
    post(site, cookie, step="save", field="email", time="20:00", zone="America/Los_Angeles")


def test_r25_the_page_has_the_switch_and_the_two_fields_with_their_words(site: Site, cookie: str) -> None:
    _, text = site.request("GET", PAGE, headers={"Cookie": cookie, "Accept-Language": "en"})
    for words in (
        "Sync to Salesforce",
        "Nightly sync",
        "Sync to Salesforce Opt Out field",
        "Sync to Marketo Sales Opt Out field",
        "A separate field keeps sales and marketing unsubscribes apart.",
        "HasOptedOutOfEmail",
    ):
        assert words in text, words


def test_r27_the_sales_field_is_offered_only_where_its_package_is_installed(site: Site, cookie: str) -> None:
    _, text = site.request("GET", PAGE, headers={"Cookie": cookie, "Accept-Language": "en"})
    card = text[text.index('id="field-sales"') :]
    assert "disabled" in card[: card.index(">")]
    assert "Install the Marketo Sales package" in card


def test_r28_a_change_is_shown_before_it_is_saved(site: Site, cookie: str) -> None:
    status, text = post(site, cookie, step="preview", **FORM)
    assert status == 200
    assert "The nightly sync is switched on." in text
    assert "Records known to be ticked in Salesforce:" in text
    assert not settings_of(site).sync_on


WIDENS = "New unsubscribes go to Email Opt Out from now on; marketing tools read that field."
OFF = {name: value for name, value in FORM.items() if name != "sync"}


def test_switching_off_warns_of_the_field_that_marketing_tools_read(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    practice_org.package(installed=True)
    try:
        assert post(site, cookie, step="save", carry="new", **(FORM | {"field": "sales"}))[0] == 302
        _, text = post(site, cookie, step="preview", **(OFF | {"field": "sales"}))
        assert WIDENS in text
        assert settings_of(site).sync_on
    finally:
        post(site, cookie, step="save", **FORM)
        practice_org.package(installed=False)


def test_switching_off_says_nothing_of_a_field_that_was_written_all_along(site: Site, cookie: str) -> None:
    post(site, cookie, step="save", **FORM)
    _, text = post(site, cookie, step="preview", **OFF)
    assert "The nightly sync is switched off." in text
    assert WIDENS not in text
    assert "up to 0 more" not in text
    assert settings_of(site).sync_on


def test_the_page_opens_and_the_switch_goes_off_while_salesforce_does_not_answer(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    post(site, cookie, step="save", **FORM)  # which also forgets how the fields looked
    off = {name: value for name, value in FORM.items() if name != "sync"} | {"time": "21:00"}
    practice_org.latency(60_000)
    try:
        started = time.monotonic()
        assert "Not known: Salesforce does not answer" in read(site, cookie, PAGE)
        assert time.monotonic() - started < 15
        status, text = post(site, cookie, step="preview", **off)
        assert (status, "The nightly sync is switched off." in text) == (200, True)
        assert post(site, cookie, step="save", **off)[0] == 302
    finally:
        practice_org.latency(0)
    assert not settings_of(site).sync_on
    assert settings_of(site).schedule.at.hour == 21


def test_the_sales_card_means_the_packages_field_whatever_other_checkbox_was_chosen_before(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    with_checkbox(practice_org, "VIP", "Lead", "Contact")
    assert post(site, cookie, step="save", carry="new", **(FORM | {"field": "another", "other": "VIP__c"}))[0] == 302
    practice_org.clear_faults()
    package = practice_org.package(installed=True)
    try:
        _, text = post(site, cookie, step="preview", **(FORM | {"field": "sales"}))
        assert "New unsubscribes are due in: Marketo Sales Opt Out." in text
        assert post(site, cookie, step="save", carry="new", **(FORM | {"field": "sales"}))[0] == 302
        custom = settings_of(site).custom
        assert custom is not None
        assert custom.lead_name == package["Lead"]
    finally:
        post(site, cookie, step="save", **FORM)
        practice_org.package(installed=False)


def test_r28_saving_saves_and_is_audited_with_the_name_of_the_admin(site: Site, cookie: str) -> None:
    status, _ = post(site, cookie, step="save", **FORM)
    assert status == 302
    assert settings_of(site).sync_on
    with site.installation.database.connect() as conn:
        row = conn.execute(
            "SELECT actor, evidence FROM event WHERE kind = 'settings changed' ORDER BY event_id DESC LIMIT 1"
        ).fetchone()
    assert row is not None
    assert row[0] == "admin"
    assert row[1]["after"]["sync"] == "on"


def test_r02_a_field_that_cannot_be_written_is_refused_with_the_object_named(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    practice_org.grant("Contact", "HasOptedOutOfEmail", "absent")
    for step in ("preview", "save"):
        status, text = post(site, cookie, step=step, **FORM)
        assert status == 422
        assert "Contact" in text
        assert 'role="alert"' in text
    assert not settings_of(site).sync_on


@pytest.mark.parametrize("wrong", [{"time": "25:00"}, {"zone": "Mars/Olympus"}, {"field": "Nope__c"}, {"time": ""}])
def test_wrong_values_are_refused_and_nothing_is_saved(site: Site, cookie: str, wrong: dict[str, str]) -> None:
    status, text = post(site, cookie, step="save", **(FORM | wrong))
    assert status == 422
    assert 'role="alert"' in text
    assert all(f'value="{value}"' in text for name, value in wrong.items() if name != "field")
    assert settings_of(site).choice is Choice.EMAIL
    assert not settings_of(site).sync_on


def test_a_get_never_saves(site: Site, cookie: str) -> None:
    site.request("GET", f"{PAGE}?{urlencode(FORM | {'step': 'save'})}", headers={"Cookie": cookie})
    assert not settings_of(site).sync_on


def with_checkbox(org: PracticeOrg, label: str, *objects: str) -> None:
    """From now on these objects have a custom checkbox VIP__c, whose name says nothing of opting out."""
    org.clear_faults()
    where = urlsplit(org.url)
    for name in ("Lead", "Contact"):
        path = f"/services/data/v{API_VERSION}/sobjects/{name}/describe"
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        connection.request("GET", path, headers={"Authorization": f"Bearer {org.credentials['access_token']}"})
        described = json.loads(connection.getresponse().read())
        connection.close()
        if name in objects:
            box = next(one for one in described["fields"] if one["name"] == "HasOptedOutOfEmail")
            described["fields"].append(box | {"name": "VIP__c", "label": label, "custom": True})
        body = json.dumps(described)
        org.fault("html", route="describe", path=f"/{name}/", status=200, body=body, times=None)


def test_any_checkbox_that_both_objects_have_can_be_chosen(site: Site, cookie: str, practice_org: PracticeOrg) -> None:
    another = FORM | {"field": "another", "other": "VIP__c"}
    with_checkbox(practice_org, "Very <b>important</b>", "Lead", "Contact")
    status, text = post(site, cookie, step="preview", **another)
    assert status == 200
    assert "New unsubscribes are due in: Very &lt;b&gt;important&lt;/b&gt;." in text
    assert 'name="other" value="VIP__c"' in text, "the button that saves asks for the same"
    with_checkbox(practice_org, "VIP", "Lead")
    status, text = post(site, cookie, step="preview", **another)
    practice_org.clear_faults()
    assert status == 422
    assert "Contact: VIP__c does not exist" in text
    status, text = post(site, cookie, step="preview", **(another | {"other": ""}))
    assert (status, "No checkbox was chosen." in text) == (422, True)


def test_the_list_offers_the_checkboxes_that_both_objects_have(site: Site, practice_org: PracticeOrg) -> None:
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        for objects, offered in ((("Lead", "Contact"), ["VIP__c"]), (("Contact",), [])):
            with open_session(conn, site.installation.vault, org_id, seams.real()) as session:
                with_checkbox(practice_org, "VIP", *objects)
                found = fields.look_at(session).checkboxes()
            assert [box.lead_name for box in found] == offered
    practice_org.clear_faults()


def test_both_fields_can_be_read_while_one_is_written(site: Site, cookie: str, practice_org: PracticeOrg) -> None:
    both = FORM | {"read_both": "on"}
    status, text = post(site, cookie, step="preview", **both)
    assert (status, "there is no sales opt-out field" in text.lower()) == (422, True)
    practice_org.package(installed=True)
    try:
        status, text = post(site, cookie, step="preview", **both)
    finally:
        practice_org.package(installed=False)
    assert status == 200
    assert "Each night a tick in Email Opt Out, Marketo Sales Opt Out unsubscribes a person here." in text
    assert "Ticked in Salesforce now, which the next sync takes over: Email Opt Out " in text
    assert "Unsubscribes stay due in: Email Opt Out." in text
    assert 'name="read_both" value="on"' in text


def test_the_next_run_is_told_only_while_the_switch_is_on(site: Site, cookie: str) -> None:
    text = read(site, cookie, PAGE)
    is_on = 'name="sync" value="on" checked' in text
    assert ("Next run" in text) == is_on
    assert "more than 500 people, and more than 5 percent of those known here" in text
    assert 'name="run" value="preview"' in text


def test_check_before_sending_is_told_before_an_org_is_connected(new_site: Site, admin: str) -> None:
    text = read(new_site, admin, PAGE)
    assert "optsync check --json" in text
    assert '<a href="/settings/api-keys">API keys</a>' in text
