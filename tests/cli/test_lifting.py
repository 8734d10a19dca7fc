"""optsync lift --when-unticked: the boxes are looked at, at once (rules 6)."""

from tests.installation import Installation
from tests.practice import PracticeOrg

LIFT = ("lift", "ann@example.com", "--when-unticked", "--reason", "signed form of 3 May", "--json")


def test_a_person_without_any_record_is_lifted_at_once(connected: Installation) -> None:
    connected.run("unsubscribe", "ann@example.com")
    done = connected.run(*LIFT)
    assert (done.code, done.json()["outcome"]) == (0, "lifted")
    assert connected.run("check", "ann@example.com").code == 0


def test_a_ticked_box_that_nobody_linked_yet_keeps_the_lift_waiting(connected: Installation, org: PracticeOrg) -> None:
    lead = org.create("Lead", Email="ann@example.com", HasOptedOutOfEmail=True)
    connected.run("unsubscribe", "ann@example.com")
    done = connected.run(*LIFT)
    assert (done.code, done.json()["outcome"]) == (5, "waits")
    assert connected.run("check", "ann@example.com").code == 3
    org.edit(lead, HasOptedOutOfEmail=False)
    assert connected.run(*LIFT).json()["outcome"] == "lifted"
