"""Person Accounts at push: the person is an Account, found by its address and written through it (rules 4)."""

import pytest

from optsync.connection import doctor
from optsync.core.problems import Problem
from optsync.ledger import lifts, people
from optsync.sync import lifting
from tests.flows.push.world import EMAIL, World
from tests.practice import PracticeOrg

PERSON_EMAIL = "PersonHasOptedOutOfEmail"
PERSON_SALES = "mkto_si__Marketo_Sales_Opt_Out__pc"


@pytest.fixture
def org(practice_server: PracticeOrg) -> PracticeOrg:
    """An org with Person Accounts among its Leads and Contacts."""
    practice_server.reset(person_accounts=5)
    return practice_server


def person(world: World, email: str = "ann@example.com", **values: object) -> tuple[str, str]:
    """A Person Account: the ids of its Account and of its Contact."""
    account = world.org.create("Account", LastName="Berg", PersonEmail=email, **values)
    return account, str(world.org.record(account)["PersonContactId"])


def test_an_unsubscribe_reaches_the_account_and_the_leads_and_contacts_beside_it(world: World) -> None:
    account, contact = person(world)
    others = [world.org.create(kind, Email="ann@example.com") for kind in ("Lead", "Contact")]
    world.opt_out("ann@example.com")
    result = world.push()
    assert world.is_ticked(account, PERSON_EMAIL)
    assert world.is_ticked(contact), "Salesforce shows it on the Contact, too"
    assert all(world.is_ticked(record_id) for record_id in others)
    assert (result.ticked, result.parked, result.calls) == (3, 0, 1), (
        "one person, one record: nothing went to its Contact"
    )
    assert {record_id for record_id, _ in world.marks()} == {account, *others}
    world.check_safe()


def test_the_custom_field_has_the_accounts_spelling(world: World) -> None:
    world.choose(sync_on=True, field="sales")
    account, _ = person(world)
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(account, PERSON_SALES)
    assert not world.is_ticked(account, PERSON_EMAIL)


def test_a_box_that_is_ticked_already_is_not_written(world: World) -> None:
    person(world, PersonHasOptedOutOfEmail=True)
    world.opt_out("ann@example.com")
    result = world.push()
    assert (result.already_true, result.calls) == (1, 0)


@pytest.mark.parametrize("writable", [False, True])
def test_the_contact_of_a_person_that_a_file_names_hands_over_to_its_account(world: World, writable: bool) -> None:
    world.org.behaviour(person_contact_writable=writable)
    account, contact = person(world)
    world.link((contact, "ann@example.com"))
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(account, PERSON_EMAIL)
    assert {record_id for record_id, _ in world.marks()} == {account}
    world.check_safe()


def test_an_account_that_a_file_names_is_written_and_a_companys_is_not(world: World) -> None:
    account, _ = person(world, "other@example.com")
    company = world.org.create("Account", Name="Works")
    world.link((account, "ann@example.com"), (company, "ann@example.com"))
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(account, PERSON_EMAIL)
    assert world.marks()[company, 1][0] == "p", "a person has to look at an id that is nobody's"
    assert not world.is_ticked(company, PERSON_EMAIL)
    world.check_safe()


def test_a_contact_that_became_a_person_account_hands_over(world: World) -> None:
    contact = world.org.create("Contact", Email="ann@example.com")
    world.link((contact, "ann@example.com"))
    account = world.org.make_person_account(contact)
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(account, PERSON_EMAIL)
    assert {record_id for record_id, _ in world.marks()} == {account}


def test_a_lead_that_was_converted_into_a_person_account_hands_over_to_the_account(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com", Company="")
    world.link((lead, "ann@example.com"))
    contact = world.org.convert(lead)
    world.opt_out("ann@example.com")
    world.push()
    account = str(world.org.record(contact)["AccountId"])
    assert world.is_ticked(account, PERSON_EMAIL)
    assert {record_id for record_id, _ in world.marks()} == {account}
    assert world.balance().pairs == 1


@pytest.mark.parametrize("has_master", [True, False])
def test_a_merged_person_hands_over_and_a_deleted_one_keeps_the_address_opted_out(
    world: World, has_master: bool
) -> None:
    world.org.behaviour(merged_person_contact_has_master=has_master)
    loser, _ = person(world)
    winner, _ = person(world, "new@example.com")
    deleted, _ = person(world, "gone@example.com")
    world.link((loser, "ann@example.com"), (deleted, "gone@example.com"))
    world.org.merge(loser, winner)
    world.org.delete(deleted)
    world.opt_out("ann@example.com")
    world.opt_out("gone@example.com")
    world.push()
    assert world.is_ticked(winner, PERSON_EMAIL)
    assert {record_id for record_id, _ in world.marks()} == {winner}
    found = people.find(world.conn, world.key, "gone@example.com")
    assert found is not None
    assert found.blocked
    world.check_safe()


def test_a_hidden_field_of_account_pauses_accounts_only_and_ends_by_itself(world: World) -> None:
    account, _ = person(world)
    contact = world.org.create("Contact", Email="ann@example.com")
    world.org.grant("Account", PERSON_EMAIL, "absent")
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(contact)
    assert world.marks()[account, 1][0] == "o"
    world.org.grant("Account", PERSON_EMAIL, "edit")
    world.push_again()
    assert world.is_ticked(account, PERSON_EMAIL)


def test_the_settings_refuse_a_field_that_is_hidden_on_account_and_the_doctor_names_it(world: World) -> None:
    world.org.grant("Account", PERSON_SALES, "absent")
    with pytest.raises(Problem, match=f"Account: {PERSON_SALES} does not exist"):
        world.choose(sync_on=True, field="sales")
    world.org.grant("Account", PERSON_EMAIL, "read")
    found = {
        one.id: one for one in doctor.run(world.conn, lambda: world.vault, world.org_id, world.database, world.seams)
    }
    assert found["field.Account.1"].state == "fail"
    assert "read-only" in found["field.Account.1"].why
    assert (found["field.Contact.1"].state, found["object.Account"].state) == ("pass", "pass")


def test_a_lift_looks_at_the_account_too(world: World) -> None:
    account, _ = person(world)
    world.opt_out("ann@example.com")
    world.push()
    assert lifts.lift(world.conn, world.key, "ann@example.com", mode="when-unticked", actor="ann", reason="asked")
    assert lifting.look(world.conn, world.vault, world.seams).waiting == 1, "its box is ticked"
    world.org.edit(account, PersonHasOptedOutOfEmail=False)
    assert lifting.look(world.conn, world.vault, world.seams).completed == 1


def test_an_org_without_the_feature_is_never_asked_for_its_fields(world: World) -> None:
    world.org.reset()
    world.line.session.person_accounts = None
    contact = world.org.create("Contact", Email="ann@example.com")
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(contact, EMAIL)
    assert all("Account" not in one["path"] for one in world.org.spy()["requests"])
