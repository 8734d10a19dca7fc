"""The one sentence: green only when nothing waits, whatever waits is named, and the strongest comes first."""

from dataclasses import replace

import pytest

from optsync.core.counts import Balance
from optsync.web.standing import Standing, Verdict

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
    (replace(FINE, held_people=1), "held"),
    (replace(FINE, balance=replace(EVEN, confirmed=1)), "does not close"),
    (replace(FINE, sign_in_refused=True, held_people=1), "sign-in refused"),
    (Standing(connected=False), "not connected"),
]


@pytest.mark.parametrize(("standing", "verdict"), STATES)
def test_r44_each_state_has_its_sentence(standing: Standing, verdict: Verdict) -> None:
    assert standing.verdict == verdict
    assert "%(" not in standing.sentence
