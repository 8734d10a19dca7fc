"""Compliance data in the browser: on the person's page, and for many ticked ones at once (requirement 43)."""

import json
import re
from urllib.parse import urlencode

import pytest

from optsync.ledger import people, record
from tests.installation import Site
from tests.web.conftest import post, press, read

ANN = "ann@compliance.example"
CONSENT = {"authorization_type": "consent", "consent_date": "2024-05-01", "consent_purpose": "Newsletter"}


@pytest.fixture
def ann(site: Site) -> str:
    """The number of a person who is unsubscribed."""
    return number_of(site, ANN)


def number_of(site: Site, address: str) -> str:
    with site.installation.database.connect() as conn:
        return str(record.opt_out(conn, site.installation.vault.subject_key, address, "manual").address_id)


def test_r43_the_card_shows_what_was_recorded_by_whom_and_the_person_stays_blocked(
    site: Site, cookie: str, ann: str
) -> None:
    page = f"/people?{urlencode({'address': ANN})}"
    assert "not recorded" in read(site, cookie, page)
    form = press(site, cookie, "/people/compliance", step="look", pick=ann)[1]
    assert form.count("<option value=") == 2 + 7 + 5
    status, text = press(site, cookie, "/people/compliance", step="set", pick=ann, source_type="import", **CONSENT)
    assert (status, "Compliance data recorded." in text) == (302, True)
    card = text[text.index('id="compliance"') :]
    for said in ("Consent", "2024-05-01", "Newsletter", "Import"):
        assert said in card
    assert "Blocked" in text
    assert "Compliance: Consent, 2024-05-01, Newsletter, Import\n" in text[text.index('id="letter"') :]
    evidence = json.loads(read(site, cookie, f"/people/evidence?{urlencode({'address': ANN})}"))
    assert evidence["compliance"]["consent_purpose"] == "Newsletter"
    assert "Compliance data set · Consent, 2024-05-01, Newsletter, Import" in text
    assert "authorization_type" not in text
    again = press(site, cookie, "/people/compliance", step="set", pick=ann, source_type="import", **CONSENT)[1]
    assert "Nothing was different" in again
    emptied = press(site, cookie, "/people/compliance", step="set", pick=ann)[1]
    assert emptied.count("not recorded") == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (CONSENT | {"consent_date": ""}, "Nothing was changed: a consent needs its date and its purpose."),
        (CONSENT | {"consent_date": "2999-01-01"}, "Nothing was changed: the consent date lies in the future."),
        ({"authorization_type": "<b>"}, "Nothing was changed: no such authorization type."),
    ],
)
def test_r43_what_does_not_go_together_is_refused_and_need_not_be_typed_again(
    site: Site, cookie: str, given: dict[str, str], said: str
) -> None:
    number = number_of(site, "wrong@compliance.example")
    status, text = press(site, cookie, "/people/compliance", step="set", pick=number, source_note="", **given)
    assert (status, said in text) == (422, True)
    if purpose := given.get("consent_purpose"):
        assert f'value="{purpose}"' in text
    assert "Compliance data set" not in read(site, cookie, "/people?address=wrong@compliance.example")


def test_r43_many_ticked_people_are_changed_at_once_and_what_is_left_open_stays(site: Site, cookie: str) -> None:
    numbers = [number_of(site, f"bulk{n}@compliance.example") for n in range(3)]
    press(site, cookie, "/people/compliance", step="set", pick=numbers[0], **CONSENT)
    text = read(site, cookie, "/people?q=bulk&tick=all")
    assert set(numbers) <= set(re.findall(r'name="pick" value="(\d+)"[^>]* checked', text))
    body = {"step": "look", "back": "q=bulk"}
    form = chosen(site, cookie, numbers, body)
    assert "3 people" in form
    assert "leave as it is" in form
    text = chosen(site, cookie, numbers, {"step": "set", "back": "q=bulk", "source_type": "manual upload"})
    assert "Compliance data changed for people: 3." in text
    assert 'value="bulk"' in text, "back in the list where it was"
    for n in range(3):
        page = read(site, cookie, f"/people?address=bulk{n}@compliance.example")
        assert "Manual upload" in page
        assert ("Newsletter" in page) is (n == 0)


def chosen(site: Site, cookie: str, numbers: list[str], values: dict[str, str]) -> str:
    """The page that comes of a button pressed with several people ticked."""
    answer, text = post(site, cookie, "/people/compliance", pick=numbers, **values)
    return read(site, cookie, answer.headers["Location"]) if answer.status == 302 else text


def test_nobody_ticked_an_erased_and_an_unknown_one(site: Site, cookie: str) -> None:
    assert "Tick the rows first." in press(site, cookie, "/people/compliance", step="look")[1]
    address = "erased@compliance.example"
    number = number_of(site, address)
    with site.installation.database.connect() as conn:
        people.erase(conn, site.installation.vault.subject_key, address, actor="test", reason="asked")
    for pick in (number, "999999999"):
        for step in ("look", "set"):
            text = press(site, cookie, "/people/compliance", step=step, pick=pick, **CONSENT)[1]
            assert "These people are not known here, or they were erased" in text
    assert 'id="compliance"' not in read(site, cookie, f"/people?address={address}")


def test_r43_the_command_line_shows_and_sets_it(site: Site) -> None:
    run = site.installation.run
    number_of(site, "cli@compliance.example")
    empty = run("compliance", "cli@compliance.example")
    assert "Nothing is recorded." in empty.out
    options = [word for name, value in CONSENT.items() for word in ("--set", f"{name}={value}")]
    done = run("compliance", "CLI@compliance.example", *options, "--json").json()
    assert (done["changed"], done["consent_purpose"], done["source_type"]) == (True, "Newsletter", None)
    other = run("compliance", "cli@compliance.example", "--set", "authorization_type=legitimate interest", "--json")
    assert (other.json()["authorization_type"], other.json()["consent_date"]) == ("legitimate interest", None)
    assert "Compliance: Legitimate interest" in run("who", "cli@compliance.example").out
    for wrong in ("authorization_type=consent", "authorization=consent", "purpose"):
        refused = run("compliance", "cli@compliance.example", "--set", wrong)
        assert (refused.code, refused.error["means"]) == (2, "nothing was changed")
    assert run("compliance", "nobody@compliance.example", "--set", "source_type=import").code == 1
    assert run("check", "cli@compliance.example").code == 3
