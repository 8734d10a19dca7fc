"""Is every opt-out in Salesforce? One look, one sentence, for the Overview page and `optsync status`.

No Django here. Sentences are English with named figures; the pages translate them by their English form.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import psycopg
from psycopg.rows import dict_row

from optsync.core.counts import Balance
from optsync.ledger.balance import balance
from optsync.ledger.queries import sql

Verdict = Literal[
    "not connected",
    "sign-in refused",
    "does not close",
    "held",
    "parked",
    "paused",
    "slow",
    "on the way",
    "carried",
    "looked for",
    "not proved",
    "nothing yet",
    "switch off",
    "in Salesforce",
]
Tone = Literal["ok", "info", "warn", "bad"]
SLOW_AFTER_SECONDS = 60.0
PROOF_HOURS = 26
"""A night and two hours: the run after a missed one has ended by then."""

SENTENCES: dict[Verdict, tuple[Tone, str]] = {
    "not connected": (
        "info",
        (
            "Not connected to Salesforce yet. "
            "Unsubscribes are recorded and blocked here; they are pushed once you connect."
        ),
    ),
    "sign-in refused": (
        "bad",
        "Salesforce refuses our sign-in. %(waiting)s boxes wait here; none is lost, nobody is mailed.",
    ),
    "does not close": ("bad", "The balance does not close. Run a sync: it repairs and names what was missing."),
    "held": ("warn", "%(held_people)s people wait for your decision. They are blocked until you decide."),
    "parked": (
        "warn",
        (
            "%(parked)s boxes are not ticked in Salesforce yet; %(confirmed)s of %(boxes)s are. "
            "The people are already blocked here."
        ),
    ),
    "paused": (
        "warn",
        (
            "Pushes to Salesforce are paused. Waiting here: boxes %(waiting)s, people to be looked for %(looked_for)s; "
            "none is lost, nobody is mailed."
        ),
    ),
    "slow": (
        "warn",
        (
            "Slow: boxes on their way: %(waiting)s, people still to be looked for: %(looked_for)s; "
            "the oldest for %(oldest_minutes)s minutes."
        ),
    ),
    "on the way": ("info", "Catching up: %(waiting)s boxes are on their way."),
    "carried": (
        "info",
        "Waiting for the first sync in the new field: %(carried)s boxes. The people are blocked here meanwhile.",
    ),
    "looked for": ("info", "Catching up. People still to be looked for in Salesforce: %(looked_for)s."),
    "not proved": ("warn", "Not proved: no sync run has proved agreement in the last %(proof_hours)s hours."),
    "nothing yet": (
        "info",
        "Connected. No unsubscribe has been recorded yet; the first one goes to Salesforce at once.",
    ),
    "switch off": (
        "ok",
        (
            "Every opt-out is in Salesforce: %(confirmed)s of %(boxes)s boxes. "
            "The nightly sync is off, so nothing is read back."
        ),
    ),
    "in Salesforce": (
        "ok",
        "Every opt-out is in Salesforce. %(confirmed)s of %(boxes)s boxes, proved by comparing both sides.",
    ),
}
SIGNS: dict[Tone, str] = {"ok": "✓", "info": "→", "warn": "!", "bad": "✕"}


@dataclass(frozen=True, slots=True)
class Parked:
    """Boxes that wait for a person for the same reason: Salesforce's code, its own words, how many."""

    code: str
    said: str
    count: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One org at one moment. `proved_at` is the end of the last run that proved agreement, None when none did;
    `swept_at` is when everything was last read afresh."""

    connected: bool
    balance: Balance = field(default_factory=Balance)
    sync_on: bool = False
    sign_in_refused: bool = False
    paused: str = ""
    held_people: int = 0
    carried: int = 0
    """Held boxes of a newly chosen field: the next sync run compares and ticks them."""
    decided: int = 0
    """Parked boxes about which a person has said no: nobody needs to act."""
    looked_for: int = 0
    oldest_due_seconds: float = 0.0
    proved_at: datetime | None = None
    proof_age_hours: float | None = None
    swept_at: datetime | None = None
    sweep_age_hours: float | None = None
    parked: tuple[Parked, ...] = ()

    @property
    def refused(self) -> int:
        """Boxes that wait for a person who mends something."""
        return self.balance.parked - self.decided

    @property
    def set_aside(self) -> int:
        """Boxes that are left unticked on purpose: held for a decision or for a removal that waits, or decided."""
        return self.balance.held - self.carried + self.decided

    @property
    def verdict(self) -> Verdict:
        """The first of these that is true; green only when nothing else is."""
        proof_missing = self.proof_age_hours is None or self.proof_age_hours > PROOF_HOURS
        ordered: list[tuple[bool, Verdict]] = [
            (not self.connected, "not connected"),
            (self.sign_in_refused, "sign-in refused"),
            (not self.balance.closes(), "does not close"),
            (self.held_people > 0, "held"),
            (self.refused > 0, "parked"),
            (bool(self.paused) and self.balance.owed + self.looked_for > 0, "paused"),
            (
                self.balance.owed + self.looked_for > 0 and self.oldest_due_seconds >= SLOW_AFTER_SECONDS,
                "slow",
            ),
            (self.balance.owed > 0, "on the way"),
            (self.carried > 0, "carried"),
            (self.looked_for > 0, "looked for"),
            (self.balance.recorded == 0 and self.balance.no_address == 0, "nothing yet"),
            (not self.sync_on, "switch off"),
            (proof_missing, "not proved"),
        ]
        return next((verdict for is_true, verdict in ordered if is_true), "in Salesforce")

    @property
    def figures(self) -> dict[str, int]:
        """The numbers of the sentences, by name."""
        return {
            "waiting": self.balance.owed,
            "parked": self.refused,
            "confirmed": self.balance.confirmed,
            "boxes": self.balance.pairs + self.balance.no_address - self.set_aside,
            "set_aside": self.set_aside,
            "carried": self.carried,
            "held_people": self.held_people,
            "looked_for": self.looked_for,
            "oldest_minutes": int(self.oldest_due_seconds // 60),
            "proof_hours": PROOF_HOURS,
        }

    @property
    def sentence(self) -> str:
        """The verdict in English."""
        return SENTENCES[self.verdict][1] % {name: f"{figure:,}" for name, figure in self.figures.items()}

    @property
    def tone(self) -> Tone:
        """How urgent: ok, info, warn or bad."""
        return SENTENCES[self.verdict][0]

    @property
    def sign(self) -> str:
        """The tone as a sign, so that colour never stands alone."""
        return SIGNS[self.tone]


def look(conn: psycopg.Connection, org_id: int | None) -> Standing:
    """How one org stands; None = no org is connected."""
    if org_id is None:
        return Standing(connected=False, balance=balance_without_org(conn))
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql("optsync.web", "standing"), {"org": org_id}).fetchone()
        groups = cursor.execute(sql("optsync.web", "parked"), {"org": org_id}).fetchall()
    assert row is not None
    return Standing(
        connected=True,
        balance=balance(conn, org_id),
        parked=tuple(Parked(group["code"], group["said"], group["count"]) for group in groups),
        **row,
    )


def balance_without_org(conn: psycopg.Connection) -> Balance:
    """What can be counted before an org is connected: opt-outs, all of them not linked."""
    row = conn.execute(sql("optsync.web", "recorded")).fetchone()
    assert row is not None
    return Balance(recorded=row[0], not_linked=row[0])
