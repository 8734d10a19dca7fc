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
    assert [(box["record_id"], box["ticked"]) for box in done.json()["boxes"]] == [(lead, True)]
    assert connected.run("check", "ann@example.com").code == 3
    org.edit(lead, HasOptedOutOfEmail=False)
    assert connected.run(*LIFT).json()["outcome"] == "lifted"


def test_a_lift_now_warns_of_each_box_that_is_still_ticked(connected: Installation, org: PracticeOrg) -> None:
    lead = org.create("Lead", Email="ann@example.com", HasOptedOutOfEmail=True)
    connected.run("unsubscribe", "ann@example.com")
    done = connected.run("lift", "ann@example.com", "--now", "--reason", "signed form")
    assert done.code == 0
    assert lead in done.out
    assert "the nightly sync is off" in done.out
    connected.run("settings", "sync", "on", "--yes")
    connected.run("unsubscribe", "ann@example.com")
    done = connected.run("lift", "ann@example.com", "--now", "--reason", "signed form")
    assert "the next nightly sync opts the person out again" in done.out


def test_a_lift_is_one_kind_or_the_other_and_has_a_reason(optsync: Installation) -> None:
    for more in (("--now", "--when-unticked", "--reason", "x"), ("--now", "--reason", " ")):
        done = optsync.run("lift", "ann@example.com", *more)
        assert done.code == 2
        assert set(done.error) == {"error", "means", "next"}
