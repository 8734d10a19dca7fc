"""The one sentence: green only when nothing waits, whatever waits is named, and the strongest comes first."""

from dataclasses import replace
from typing import get_args

import pytest

from optsync.core.counts import Balance
from optsync.web.standing import SENTENCES, Standing, Verdict

EVEN = Balance(recorded=3, linked=2, not_linked=1, pairs=2, confirmed=2)
FINE = Standing(connected=True, balance=EVEN, sync_on=True, proof_age_hours=1.0)
STATES: list[tuple[Standing, Verdict]] = [
    (FINE, "in Salesforce"),
    (replace(FINE, proof_age_hours=27.0), "not proved"),
    (replace(FINE, sync_on=False), "switch off"),
    (replace(FINE, balance=Balance()), "nothing yet"),
    (replace(FINE, balance=Balance(no_address=1, confirmed=1)), "in Salesforce"),
    (replace(FINE, looked_for=1), "looked for"),
    (replace(FINE, sync_on=False, looked_for=1), "looked for"),
    (replace(FINE, balance=replace(EVEN, confirmed=1, owed=1)), "on the way"),
    (replace(FINE, balance=replace(EVEN, confirmed=1, owed=1), oldest_due_seconds=61.0), "slow"),
    (replace(FINE, looked_for=1, oldest_due_seconds=61.0), "slow"),
    (replace(FINE, paused="SERVER_UNAVAILABLE"), "in Salesforce"),
    (replace(FINE, paused="SERVER_UNAVAILABLE", looked_for=1), "paused"),
    (replace(FINE, paused="SERVER_UNAVAILABLE", balance=replace(EVEN, confirmed=1, owed=1)), "paused"),
    (replace(FINE, balance=replace(EVEN, confirmed=1, parked=1), looked_for=1), "parked"),
    (replace(FINE, balance=replace(EVEN, confirmed=1, held=1)), "in Salesforce"),
    (replace(FINE, balance=replace(EVEN, confirmed=1, held=1), proof_age_hours=27.0), "not proved"),
    (replace(FINE, balance=replace(EVEN, confirmed=1, parked=1), decided=1), "in Salesforce"),
    (replace(FINE, balance=replace(EVEN, confirmed=1, held=1), carried=1), "carried"),
    (replace(FINE, held_people=1), "held"),
    (replace(FINE, balance=replace(EVEN, confirmed=1)), "does not close"),
    (replace(FINE, sign_in_refused=True, held_people=1), "sign-in refused"),
    (Standing(connected=False), "not connected"),
]


@pytest.mark.parametrize(("standing", "verdict"), STATES)
def test_r44_each_state_has_its_sentence(standing: Standing, verdict: Verdict) -> None:
    assert standing.verdict == verdict
    assert "%(" not in standing.sentence


def test_every_verdict_has_a_state_here_and_a_sentence() -> None:
    assert {verdict for _, verdict in STATES} == set(get_args(Verdict)) == set(SENTENCES)


def test_the_strongest_of_all_that_is_true_comes_first() -> None:
    waits = replace(EVEN, confirmed=0, owed=1, parked=1)
    everything = Standing(
        connected=True,
        balance=waits,
        sign_in_refused=True,
        paused="SERVER_UNAVAILABLE",
        held_people=1,
        looked_for=1,
        oldest_due_seconds=61.0,
    )
    seen: list[Verdict] = []
    for better in (
        {"connected": True},
        {"sign_in_refused": False},
        {"held_people": 0},
        {"balance": replace(waits, parked=0, owed=2)},
        {"paused": ""},
        {"oldest_due_seconds": 1.0},
        {"balance": EVEN},
        {"looked_for": 0},
        {"sync_on": True},
        {"proof_age_hours": 1.0},
    ):
        everything = replace(everything, **better)
        seen.append(everything.verdict)
    assert seen == [
        "sign-in refused",
        "held",
        "parked",
        "paused",
        "slow",
        "on the way",
        "looked for",
        "switch off",
        "not proved",
        "in Salesforce",
    ]


def test_what_is_left_unticked_on_purpose_is_named_and_no_longer_counted_as_missing() -> None:
    """A removal that waits, and a fan-out that somebody refused: nobody needs to act, and nothing is on its way."""
    standing = replace(FINE, balance=replace(EVEN, pairs=4, confirmed=2, held=1, parked=1), decided=1)
    assert "2 of 2 boxes" in standing.sentence
    assert standing.set_aside == 2
    assert standing.figures["waiting"] == 0
