"""One person in two rows: the Account that is written, and the Contact that shows the same."""

import pytest

from tests.conformance.practice.rest import Rest

FIELD = "PersonHasOptedOutOfEmail"


@pytest.fixture
def persons(rest: Rest) -> Rest:
    rest.org.reset(leads=0, contacts=0, person_accounts=0, grant_opt_out=True, package=True)
    return rest


def _rows(rest: Rest, soql: str) -> list[dict[str, object]]:
    return [{k: v for k, v in row.items() if k != "attributes"} for row in rest.rows(soql)]


def _person(rest: Rest, email: str = "ann@example.com") -> tuple[str, str]:
    account = rest.org.create("Account", LastName="Berg", FirstName="Ann", PersonEmail=email)
    return account, str(rest.org.record(account)["PersonContactId"])


def test_without_the_feature_its_fields_do_not_exist(rest: Rest) -> None:
    for soql in ("SELECT Id FROM Account WHERE IsPersonAccount = true", "SELECT IsPersonAccount FROM Contact"):
        answer = rest.query(soql)
        assert (answer.status, answer.json[0]["errorCode"]) == (400, "INVALID_FIELD")
    names = {known["name"] for known in rest.call("GET", "sobjects/Account/describe").json["fields"]}
    assert names.isdisjoint({"IsPersonAccount", "PersonEmail", "PersonContactId", FIELD})


def test_a_person_is_an_account_and_its_contact(persons: Rest) -> None:
    account, contact = _person(persons)
    persons.org.create("Contact", Email="bob@example.com")
    persons.org.create("Account", Name="Works")
    assert _rows(persons, "SELECT Id, PersonEmail, Name FROM Account WHERE IsPersonAccount = true") == [
        {"Id": account, "PersonEmail": "ann@example.com", "Name": "Ann Berg"}
    ]
    assert _rows(persons, "SELECT Id, Email, AccountId FROM Contact WHERE IsPersonAccount = true") == [
        {"Id": contact, "Email": "ann@example.com", "AccountId": account}
    ]
    assert len(_rows(persons, "SELECT Id FROM Contact WHERE IsPersonAccount = false")) == 1
    assert _rows(persons, "SELECT Id FROM Account WHERE PersonEmail = 'ANN@example.com'") == [{"Id": account}]


def test_the_account_is_written_and_the_contact_shows_it(persons: Rest) -> None:
    account, contact = _person(persons)
    body = {FIELD: True, "mkto_si__Marketo_Sales_Opt_Out__pc": True}
    assert persons.call("PATCH", f"sobjects/Account/{account}", body).status == 204
    shown = persons.org.record(contact)
    assert shown["HasOptedOutOfEmail"] is True
    assert shown["mkto_si__Marketo_Sales_Opt_Out__c"] is True
    assert persons.org.opted_out() == {"Lead": 0, "Contact": 0, "Account": 1}


@pytest.mark.parametrize("writable", [False, True])
def test_the_contact_takes_a_write_or_refuses_it(persons: Rest, writable: bool) -> None:
    persons.org.behaviour(person_contact_writable=writable)
    account, contact = _person(persons)
    answer = persons.call("PATCH", f"sobjects/Contact/{contact}", {"HasOptedOutOfEmail": True})
    assert answer.status == (204 if writable else 400)
    assert persons.org.record(account)[FIELD] is writable
    if not writable:
        assert answer.json[0]["errorCode"] == "INSUFFICIENT_ACCESS_OR_READONLY"


def test_the_field_on_account_has_access_of_its_own(rest: Rest) -> None:
    rest.org.reset(person_accounts=0, grant_opt_out=False)
    rest.org.grant("Contact", "HasOptedOutOfEmail", "edit")
    account, _ = _person(rest)
    answer = rest.call("PATCH", f"sobjects/Account/{account}", {FIELD: True})
    assert answer.json[0]["errorCode"] == "INVALID_FIELD"
    rest.org.grant("Account", FIELD, "edit")
    assert rest.call("PATCH", f"sobjects/Account/{account}", {FIELD: True}).status == 204


@pytest.mark.parametrize("has_master", [True, False])
def test_persons_merge_as_accounts(persons: Rest, has_master: bool) -> None:
    persons.org.behaviour(merged_person_contact_has_master=has_master)
    (loser, loser_contact), (winner, winner_contact) = _person(persons), _person(persons)
    persons.org.merge(loser, winner)
    assert persons.org.record(loser)["MasterRecordId"] == winner
    shown = persons.org.record(loser_contact)
    assert shown["IsDeleted"] is True
    assert shown.get("MasterRecordId") == (winner_contact if has_master else None)


def test_a_contact_and_a_lead_without_company_become_persons(persons: Rest) -> None:
    contact = persons.org.create("Contact", Email="bob@example.com", HasOptedOutOfEmail=True)
    account = persons.org.make_person_account(contact)
    assert persons.org.record(account)[FIELD] is True
    assert persons.org.record(account)["PersonContactId"] == contact
    lead = persons.org.create("Lead", Email="eve@example.com", Company="")
    into = persons.org.record(persons.org.convert(lead))
    assert into["IsPersonAccount"] is True
    assert persons.org.record(str(into["AccountId"]))["PersonEmail"] == "eve@example.com"


def test_deleting_and_restoring_takes_both_rows_along(persons: Rest) -> None:
    account, contact = _person(persons)
    persons.org.delete(account)
    assert persons.org.record(contact)["IsDeleted"] is True
    persons.org.undelete(account)
    assert persons.org.record(contact)["IsDeleted"] is False


def test_generated_persons_and_companies(rest: Rest) -> None:
    rest.org.reset(contacts=10, person_accounts=8, opted_out=25, grant_opt_out=True)
    assert rest.org.opted_out()["Account"] == 2
    assert len(_rows(rest, "SELECT Id FROM Account WHERE IsPersonAccount = true")) == 8
    assert len(_rows(rest, "SELECT Id, Name FROM Account WHERE IsPersonAccount = false")) == 4
    assert len(_rows(rest, "SELECT Id FROM Contact")) == 18
