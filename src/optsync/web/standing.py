"""Is every opt-out in Salesforce? One look, one sentence, for the Overview page, `optsync status` and the API.

No Django here. Sentences are English with named figures; the pages translate them by their English form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import psycopg
from psycopg.rows import class_row, dict_row

from optsync.core.counts import Balance
from optsync.core.rejections import REJECTIONS, RetryClass
from optsync.ledger.queries import sql
from optsync.web.tally import Counted, now
from optsync.web.words import refusal_of

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
TRIES: Final = 3
"""So often tried, a box is being refused for now, not on its way."""
MOST: Final = 1_000
"""How far a look counts what waits; a larger figure is that of the tally, or "1,000+"."""

PASSING: Final = [code for code, one in REJECTIONS.items() if one.retry not in (RetryClass.PAUSE, RetryClass.RECONNECT)]
"""What pauses pushes until it passes by itself, such as the daily limit."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence with named figures. `many` is its form for more than one of the figure that `n` names; where that is
    nought, or a figure is not known yet, the sentence is left out."""

    one: str
    many: str = ""
    n: str = ""


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A number of which only so much is known."""

    n: int


Figure = int | AtLeast | timedelta | datetime | str
"""A str is a text in English that is translated by itself."""

EVERY = Said("Every opt-out is in Salesforce.")
ALL_BOXES = Said("%(boxes)s of %(boxes)s box.", "%(boxes)s of %(boxes)s boxes.", "boxes")
WAITING = Said("%(owed)s box waits here.", "%(owed)s boxes wait here.", "owed")
TO_LOOK_FOR = Said(
    "%(looked_for)s person is still to be looked for in Salesforce.",
    "%(looked_for)s people are still to be looked for in Salesforce.",
    "looked_for",
)
NOTHING_LOST = Said("Nothing is lost, nobody is mailed.")
SENTENCES: dict[Verdict, tuple[Tone, tuple[Said, ...]]] = {
    "not connected": (
        "info",
        (
            Said(
                "Not connected to Salesforce yet. "
                "Unsubscribes are recorded and blocked here; they are pushed once you connect."
            ),
        ),
    ),
    "sign-in refused": (
        "bad",
        (Said("Salesforce has refused our sign-in since %(refused_since)s."), WAITING, TO_LOOK_FOR, NOTHING_LOST),
    ),
    "does not close": (
        "bad",
        (Said("The balance does not close. Run a sync: it repairs and names what was missing."),),
    ),
    "held": (
        "warn",
        (
            Said(
                "%(held_people)s person waits for your decision, and is blocked until you decide.",
                "%(held_people)s people wait for your decision. They are blocked until you decide.",
                "held_people",
            ),
        ),
    ),
    "parked": (
        "warn",
        (
            Said(
                "%(refused)s box is not ticked in Salesforce yet.",
                "%(refused)s boxes are not ticked in Salesforce yet.",
                "refused",
            ),
            Said("%(confirmed)s of %(boxes)s are."),
            Said("The person is already blocked here.", "The people are already blocked here.", "refused"),
        ),
    ),
    "paused": ("warn", (Said("Pushes to Salesforce are paused."), WAITING, TO_LOOK_FOR, NOTHING_LOST)),
    "slow": (
        "warn",
        (Said("Slow: the oldest has been on its way for %(oldest)s (%(slowed_by)s)."), WAITING, TO_LOOK_FOR),
    ),
    "on the way": (
        "info",
        (
            Said(
                "Catching up: %(owed)s box is on its way, for %(oldest)s now.",
                "Catching up: %(owed)s boxes are on their way, the oldest for %(oldest)s.",
                "owed",
            ),
        ),
    ),
    "carried": (
        "info",
        (
            Said(
                "%(carried)s box waits for the first sync in the new field. The person is blocked here meanwhile.",
                "%(carried)s boxes wait for the first sync in the new field. The people are blocked here meanwhile.",
                "carried",
            ),
        ),
    ),
    "looked for": ("info", (Said("Catching up."), TO_LOOK_FOR)),
    "not proved": ("warn", (Said("Not proved since %(proved_at)s: %(unproved)s."),)),
    "nothing yet": (
        "info",
        (Said("Connected."), Said("No unsubscribe has been recorded yet; the first one goes to Salesforce at once.")),
    ),
    "switch off": ("ok", (EVERY, ALL_BOXES, Said("The nightly sync is off, so nothing is read back."))),
    "in Salesforce": ("ok", (EVERY, ALL_BOXES, Said("Proved %(proved_ago)s ago by comparing both sides."))),
}
SET_ASIDE = Said("Boxes left unticked on purpose, held or decided about: %(set_aside)s.")
OLDEST = Said("The oldest for %(oldest)s.")
NEVER_PROVED = Said("Not proved yet: %(unproved)s.")
SIGNS: dict[Tone, str] = {"ok": "✓", "info": "→", "warn": "!", "bad": "✕"}
NO_WORKER = "no worker"
SLOWED_BY = {NO_WORKER: "no worker is running", "": "there is much to send"}
"""What holds boxes up besides a refusal of Salesforce, whose title stands for itself."""
UNPROVED = {
    "": "no sync run has ended since",
    "never": "no sync run has ended yet",
    "asked": "a sync run waits for the worker",
    "running": "a sync run is going on",
    "interrupted": "the last sync run was interrupted, and resumes",
    "failed": "the last sync run failed",
    "partly done": "the last sync run could not do all of it",
    "not proved": "the last sync run could not prove it",
    "held": "the last sync run waits for a decision",
    "waiting for go": "the first sync waits for your go",
    "cancelled": "the last sync run was cancelled",
}
"""Why nothing is proved, by how the newest run ended that was to prove it."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Boxes that wait for a person for the same reason: Salesforce's code, its own words, how many."""

    code: str
    said: str
    count: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One org at one moment. Numbers that are not in `counted` are of this moment, and end just above MOST.

    `proved_at` is the end of the last run that proved agreement, None when none did; `swept_at` is when everything was
    last read afresh.
    """

    connected: bool
    at: datetime
    counted: Counted | None = None
    """What takes a look at every row, perhaps older than the rest; None while that is being counted."""
    sync_on: bool = False
    refused_since: datetime | None = None
    """Since when Salesforce refuses our sign-in; None when it does not."""
    paused: str = ""
    held_people: int = 0
    refused: int = 0
    """Boxes that wait for a person who mends something."""
    owed: int = 0
    carried: int = 0
    """Held boxes of a newly chosen field: the next sync run compares and ticks them."""
    looked_for: int = 0
    knows_any: bool = False
    """Whether there is any opt-out or box at all."""
    oldest_seconds: float = 0.0
    """For how long the oldest box is due, or since its unsubscribe where it was tried again and again."""
    slowed_by: str = ""
    """What the oldest boxes on their way met most: Salesforce's code, "no worker", or nothing."""
    proved_at: datetime | None = None
    swept_at: datetime | None = None
    unproved: str = ""
    """How the newest run since the last proof ended, or how far it is; "" when there is none."""
    unproved_run: int | None = None
    parked: tuple[Parked, ...] = ()

    @property
    def balance(self) -> Balance:
        """The sums; all nought while they are being counted."""
        return self.counted.balance if self.counted else Balance()

    @property
    def set_aside(self) -> int:
        """Boxes that are left unticked on purpose, as far as they have been counted."""
        return self.counted.set_aside if self.counted else 0

    @property
    def verdict(self) -> Verdict:
        """The first of these that is true; green only when nothing else is."""
        waits = self.owed + self.looked_for > 0
        is_proved = self.proved_at is not None and self.at - self.proved_at <= timedelta(hours=PROOF_HOURS)
        ordered: list[tuple[bool, Verdict]] = [
            (not self.connected, "not connected"),
            (self.refused_since is not None, "sign-in refused"),
            (not self.balance.closes(), "does not close"),
            (self.held_people > 0, "held"),
            (self.refused > 0, "parked"),
            (bool(self.paused) and waits, "paused"),
            (waits and self.oldest_seconds >= SLOW_AFTER_SECONDS, "slow"),
            (self.owed > 0, "on the way"),
            (self.carried > 0, "carried"),
            (self.looked_for > 0, "looked for"),
            (not self.knows_any, "nothing yet"),
            (not self.sync_on, "switch off"),
            (not is_proved, "not proved"),
        ]
        return next((verdict for is_true, verdict in ordered if is_true), "in Salesforce")

    @property
    def figures(self) -> dict[str, Figure]:
        """The figures of the sentences by name, as far as they are known."""
        known: dict[str, Figure | None] = {
            "oldest": timedelta(seconds=self.oldest_seconds),
            "slowed_by": SLOWED_BY.get(self.slowed_by) or refusal_of(self.slowed_by, "").title,
            "refused_since": self.refused_since,
            "proved_at": self.proved_at,
            "proved_ago": self.at - self.proved_at if self.proved_at else None,
            "unproved": self._unproved_because(),
        }
        counts = self._counts_of_the_tally()
        for name in ("owed", "refused", "held_people", "carried", "looked_for"):
            known[name] = _exact(getattr(self, name), counts.get(name, 0))
        known |= {name: counts.get(name) for name in ("confirmed", "boxes", "set_aside")}
        return {name: value for name, value in known.items() if value is not None}

    def exactly(self, name: str) -> int:
        """A number of the figures, from the tally where it is large; at least so many while that is being counted."""
        figure = self.figures[name]
        assert isinstance(figure, int | AtLeast)
        return figure.n if isinstance(figure, AtLeast) else figure

    def _counts_of_the_tally(self) -> dict[str, int]:
        if self.counted is None:
            return {}
        b, c = self.counted.balance, self.counted
        return {
            "owed": b.owed,
            "refused": b.parked - c.decided,
            "held_people": c.held_people,
            "carried": c.carried,
            "looked_for": c.looked_for,
            "confirmed": b.confirmed,
            "boxes": b.pairs + b.no_address - c.set_aside,
            "set_aside": c.set_aside,
        }

    def _unproved_because(self) -> str:
        if self.unproved in ("", "asked") and self.slowed_by == NO_WORKER:
            return SLOWED_BY[NO_WORKER]
        ended = self.unproved if self.unproved or self.proved_at else "never"
        return UNPROVED.get(ended, ended)

    @property
    def said(self) -> tuple[Said, ...]:
        """The sentences of the verdict."""
        if self.verdict == "not proved" and self.proved_at is None:
            return (NEVER_PROVED,)
        return SENTENCES[self.verdict][1]

    @property
    def sentence(self) -> str:
        """The verdict in English, moments in UTC."""
        return spoken(self.said, self.figures, lambda value: in_english(value, self.at))

    @property
    def tone(self) -> Tone:
        """How urgent: ok, info, warn or bad."""
        return SENTENCES[self.verdict][0]

    @property
    def sign(self) -> str:
        """The tone as a sign, so that colour never stands alone."""
        return SIGNS[self.tone]


def spoken(
    said: tuple[Said, ...],
    figures: Mapping[str, Figure],
    shown: Callable[[Figure], str],
    gettext: Callable[[str], str] = str,
    ngettext: Callable[[str, str, int], str] = lambda one, many, n: one if n == 1 else many,
) -> str:
    """Sentences in a language, one after the other; `shown` writes a figure."""
    texts = {name: shown(value) for name, value in figures.items()}
    parts = []
    for one in said:
        count = figures.get(one.n, 0)
        n = count.n if isinstance(count, AtLeast) else count if isinstance(count, int) else 0
        if one.n and not n:
            continue
        template = ngettext(one.one, one.many, n) if one.many else gettext(one.one)
        try:
            parts.append(template % texts)
        except KeyError:  # a figure that is not known yet
            continue
    return " ".join(parts)


def in_english(value: Figure, now: datetime) -> str:
    """A figure for the command line and programs."""
    if isinstance(value, AtLeast):
        return f"{value.n:,}+"
    if isinstance(value, timedelta):
        seconds = max(0, int(value.total_seconds()))
        return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        day = "" if at.date() == now.astimezone(UTC).date() else f"{at:%A} " if now - at < WEEK else f"{at:%Y-%m-%d} "
        return f"{day}{at:%H:%M} UTC"
    return value if isinstance(value, str) else f"{value:,}"


WEEK: Final = timedelta(days=6)
"""So long the name of a day says which one is meant."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person: boxes that an org's Salesforce refused, and its pushes while a sign-in or permission is
    to be mended (`pauses` is 1), or, of all orgs (`org_id` None), mass changes to decide about and lists that look like
    a scanner's."""

    org_id: int | None
    refused: int
    pauses: int
    holds: int
    scanners: int

    @property
    def all(self) -> int:
        """How many."""
        return self.refused + self.pauses + self.holds + self.scanners


def look(conn: psycopg.Connection, org_id: int | None, counted: Counted | None) -> Standing:
    """How one org stands; None = no org is connected. `counted` from `tally`: the sums, None while they are counted."""
    if org_id is None:
        return Standing(connected=False, at=now(conn), counted=counted)
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            sql("optsync.web", "standing"), {"org": org_id, "most": MOST + 1, "tries": TRIES}
        ).fetchone()
        groups = cursor.execute(sql("optsync.web", "parked"), {"org": org_id, "most": MOST + 1}).fetchall()
    assert row is not None
    return Standing(
        connected=True,
        counted=counted,
        parked=tuple(Parked(group["code"], group["said"], group["count"]) for group in groups),
        **row,
    )


def waiting(conn: psycopg.Connection, most: int = MOST + 1) -> list[Waiting]:
    """What waits for a person in each org and in all of them; boxes of an org are counted no further than so many."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(sql("optsync.web", "waiting"), {"most": most, "passing": PASSING}).fetchall()


def _exact(now: int, counted: int) -> int | AtLeast:
    if now <= MOST:
        return now
    return counted if counted > MOST else AtLeast(MOST)
