"""optsync install: shown, agreed to, done, taken back; wrong names and missing rights say what to do."""

import pytest

from tests.installation import Installation
from tests.practice import PracticeOrg

EMAIL = "HasOptedOutOfEmail"
ALL = [
    "a new permission set optsync",
    "permission set optsync: Read and Edit on HasOptedOutOfEmail of Lead",
    "permission set optsync: Read and Edit on HasOptedOutOfEmail of Contact",
    "permission set optsync is given to the integration user",
    "Lead: page layout Lead Layout shows HasOptedOutOfEmail below Email",
    "Contact: page layout Contact (Sales) Layout shows HasOptedOutOfEmail below Email",
]


def test_r30_it_shows_what_would_change_and_waits_for_a_yes(connected: Installation) -> None:
    assert connected.run("install", "--dry-run", "--json").json() == {"done": False, "steps": ALL}
    asked = connected.run("install")
    assert asked.code == 5
    assert "  + Lead: page layout Lead Layout shows HasOptedOutOfEmail below Email" in asked.out
    assert asked.error["next"].endswith("optsync install --yes")
    assert connected.run("install", "--dry-run", "--json").json()["steps"] == ALL, "nothing was done"


def test_it_is_done_once_and_taken_back(connected: Installation, org: PracticeOrg) -> None:
    done = connected.run("install", "--yes", "--json")
    assert (done.code, done.json()) == (0, {"done": True, "steps": ALL, "missing": []})
    assert "Nothing to do" in connected.run("install", "--yes").out
    shown = connected.run("install", "--undo", "--dry-run", "--json").json()
    assert (len(shown["steps"]), shown["kept"]) == (len(ALL), [])
    assert connected.run("install", "--undo", "--yes").code == 0
    assert connected.run("install", "--dry-run", "--json").json()["steps"] == ALL
    assert org.spy()["false_writes"] == 0


def test_r32_a_checkbox_of_our_own_on_one_layout_can_then_be_chosen(connected: Installation, org: PracticeOrg) -> None:
    done = connected.run("install", "--field", "own", "--layouts", "Lead Layout", "--yes")
    assert done.code == 0
    assert connected.run("settings", "field", "Sales_Opt_Out__c", "--yes").code == 0
    lead = org.create("Lead", Email="ann@example.com")
    org.edit(lead, Sales_Opt_Out__c=True)
    kept = connected.run("install", "--undo", "--yes", "--json")
    assert kept.code == 3
    assert any("optsync itself uses this field" in one for one in kept.json()["kept"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layouts", "Nope Layout"], "there is no page layout Nope Layout"),
        (["--field", "LastName"], "LastName is not a checkbox"),
        (["--field", "DoNotCall"], "standard field of another meaning"),
        (["--org", "00D000000000009"], "which org is meant?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    connected: Installation, org: PracticeOrg, words: list[str], said: str
) -> None:
    org.grant("Lead", "DoNotCall", "edit")
    org.grant("Contact", "DoNotCall", "edit")
    done = connected.run("install", *words, "--yes")
    assert (done.code, said in done.error["error"]) == (2, True)


def test_a_missing_right_is_named_with_the_way_by_hand(connected: Installation, org: PracticeOrg) -> None:
    org.permit(view_setup=False)
    done = connected.run("install", "--yes")
    assert done.code == 1
    assert "View Setup and Configuration" in done.error["next"]
    org.permit(view_setup=True, manage_permission_sets=False)
    done = connected.run("install", "--yes")
    assert (done.code, "Manage Profiles and Permission Sets" in done.error["next"]) == (1, True)
    assert connected.run("install", "--no-grant", "--yes").code == 0, "layouts alone need another right"


def test_the_canary_is_asked_for(connected: Installation) -> None:
    ids = {check["id"]: check["state"] for check in connected.run("doctor", "--canary", "--json").json()["checks"]}
    assert ids["canary"] == "pass"
    assert "canary" not in {check["id"] for check in connected.run("doctor", "--json").json()["checks"]}
