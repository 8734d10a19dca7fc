"""The one sentence: green only when nothing waits, whatever waits is named, and the strongest comes first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from optsync.core.counts import Balance
from optsync.web.standing import MOST, SENTENCES, Standing, Verdict
from optsync.web.tally import Counted

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOURS = timedelta(hours=1)
EVEN = Balance(recorded=3, linked=2, not_linked=1, pairs=2, confirmed=2)
SUMS = Counted(NOON, EVEN)
FINE = Standing(connected=True, at=NOON, counted=SUMS, sync_on=True, knows_any=True, proved_at=NOON - HOURS)
OLD = NOON - 27 * HOURS
STATES: list[tuple[Standing, Verdict, str]] = [
    (FINE, "in Salesforce", "Every opt-out is in Salesforce. 2 of 2 boxes. Proved 60 min ago by comparing both sides."),
    (
        replace(FINE, counted=None),
        "in Salesforce",
        "Every opt-out is in Salesforce. Proved 60 min ago by comparing both",
    ),
    (replace(FINE, proved_at=None), "not proved", "Not proved yet: no sync run has ended yet."),
    (replace(FINE, proved_at=OLD), "not proved", "Not proved since Friday 09:00 UTC: no sync run has ended since."),
    (
        replace(FINE, proved_at=OLD, unproved="failed"),
        "not proved",
        "since Friday 09:00 UTC: the last sync run failed.",
    ),
    (
        replace(FINE, proved_at=None, unproved="waiting for go"),
        "not proved",
        "Not proved yet: the first sync waits for",
    ),
    (replace(FINE, proved_at=None, slowed_by="no worker"), "not proved", "Not proved yet: no worker is running."),
    (replace(FINE, sync_on=False), "switch off", "2 of 2 boxes. The nightly sync is off, so nothing is read back."),
    (replace(FINE, knows_any=False), "nothing yet", "Connected. No unsubscribe has been recorded yet;"),
    (replace(FINE, looked_for=1), "looked for", "Catching up. 1 person is still to be looked for in Salesforce."),
    (replace(FINE, sync_on=False, looked_for=2), "looked for", "2 people are still to be looked for"),
    (replace(FINE, owed=1, oldest_seconds=3.2), "on the way", "Catching up: 1 box is on its way, for 3 s now."),
    (replace(FINE, owed=14, oldest_seconds=3.2), "on the way", "14 boxes are on their way, the oldest for 3 s."),
    (
        replace(FINE, owed=1, oldest_seconds=400.0),
        "slow",
        "Slow: the oldest has been on its way for 6 min (there is",
    ),
    (replace(FINE, owed=1, oldest_seconds=61.0, slowed_by="no worker"), "slow", "for 61 s (no worker is running)."),
    (
        replace(FINE, owed=1, oldest_seconds=61.0, slowed_by="UNABLE_TO_LOCK_ROW"),
        "slow",
        "Slow: the oldest has been on its way for 61 s (Someone was editing this record). 1 box waits here.",
    ),
    (replace(FINE, looked_for=1, oldest_seconds=61.0), "slow", "1 person is still to be looked for in Salesforce."),
    (replace(FINE, paused="SERVER_UNAVAILABLE"), "in Salesforce", "Every opt-out is in Salesforce."),
    (
        replace(FINE, paused="SERVER_UNAVAILABLE", owed=2),
        "paused",
        "2 boxes wait here. Nothing is lost, nobody is mailed.",
    ),
    (replace(FINE, paused="X", looked_for=1), "paused", "Pushes to Salesforce are paused. 1 person is still to be"),
    (
        replace(FINE, counted=Counted(NOON, replace(EVEN, confirmed=1, parked=1)), refused=1, looked_for=1),
        "parked",
        "1 box is not ticked in Salesforce yet. 1 of 2 are. The person is already blocked here.",
    ),
    (
        replace(FINE, counted=None, refused=3),
        "parked",
        "3 boxes are not ticked in Salesforce yet. The people are already",
    ),
    (replace(FINE, carried=1), "carried", "1 box waits for the first sync in the new field."),
    (replace(FINE, held_people=1), "held", "1 person waits for your decision, and is blocked until you decide."),
    (replace(FINE, held_people=2), "held", "2 people wait for your decision. They are blocked until you decide."),
    (replace(FINE, counted=Counted(NOON, replace(EVEN, confirmed=1))), "does not close", "The balance does not close."),
    (
        replace(FINE, refused_since=NOON - 2 * HOURS, held_people=1, owed=214),
        "sign-in refused",
        "Salesforce has refused our sign-in since 10:00 UTC. 214 boxes wait here. Nothing is lost, nobody is mailed.",
    ),
    (Standing(connected=False, at=NOON), "not connected", "Not connected to Salesforce yet. Unsubscribes are recorded"),
]


@pytest.mark.parametrize(("standing", "verdict", "sentence"), STATES)
def test_r44_each_state_has_its_sentence(standing: Standing, verdict: Verdict, sentence: str) -> None:
    assert standing.verdict == verdict
    assert sentence in standing.sentence
    assert "%(" not in standing.sentence


def test_every_verdict_has_a_state_here_and_a_sentence() -> None:
    assert {verdict for _, verdict, _ in STATES} == set(get_args(Verdict)) == set(SENTENCES)


def test_the_strongest_of_all_that_is_true_comes_first() -> None:
    everything = Standing(
        connected=True,
        at=NOON,
        refused_since=NOON,
        paused="SERVER_UNAVAILABLE",
        held_people=1,
        refused=1,
        owed=1,
        carried=1,
        looked_for=1,
        oldest_seconds=61.0,
    )
    seen: list[Verdict] = []
    for better in (
        {"connected": True},
        {"refused_since": None},
        {"held_people": 0},
        {"refused": 0},
        {"paused": ""},
        {"oldest_seconds": 1.0},
        {"owed": 0},
        {"carried": 0},
        {"looked_for": 0},
        {"knows_any": True},
        {"sync_on": True},
        {"proved_at": NOON},
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
        "carried",
        "looked for",
        "nothing yet",
        "switch off",
        "not proved",
        "in Salesforce",
    ]


def test_what_is_left_unticked_on_purpose_is_named_and_no_longer_counted_as_missing() -> None:
    """A removal that waits, and a fan-out that somebody refused: nobody needs to act, and nothing is on its way."""
    sums = Counted(NOON, replace(EVEN, pairs=4, confirmed=2, held=1, parked=1), decided=1)
    standing = replace(FINE, counted=sums)
    assert "2 of 2 boxes" in standing.sentence
    assert standing.set_aside == 2
    assert standing.figures["owed"] == 0


def test_a_large_figure_is_that_of_the_tally_or_says_that_it_is_at_least_so_many() -> None:
    many = replace(FINE, held_people=MOST + 1)
    assert replace(many, counted=Counted(NOON, EVEN, held_people=31_200)).sentence.startswith("31,200 people wait")
    assert many.sentence.startswith("1,000+ people wait")
    assert replace(many, held_people=MOST).sentence.startswith("1,000 people wait")
    assert many.exactly("held_people") == MOST
