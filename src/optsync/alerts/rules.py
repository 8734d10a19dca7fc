"""When the product speaks by itself, and what it says. Values in, values out.

A problem is told when it has lasted for its rule's time, told again only when it grows a stage, and told as fixed when
it has been gone for its rule's calm: a problem that comes and goes does not flap. Every message says that nobody is
mailed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from optsync.core.calendar import business_days_after
from optsync.core.told import Told, told

PROOF_HOURS: Final = 26
SLOW_SECONDS: Final = 300
SLOW_LEAST: Final = 20
"""Of fewer unsubscribes a day, the slowest would be called 99 of 100."""
LAW_DAYS, LAW_WARN_DAYS = 10, 8
"""Business days that CAN-SPAM and CASL give, and when we say that they are running out."""
LATE_HOURS, PROVIDER_HOURS = 24, 48
HELD_HOURS, DAY_HOURS = 48, 24


Step = Literal["tell", "fix", "drop"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`after`: how long a problem must last before it is told; `calm`: how long it must be gone; `when`: in words.

    Texts are templates of the problem's figures. `events` are the ledger's kinds when it is told and when it is fixed;
    `is_mailed` is False for what only programs hear of.
    """

    title: str
    when: str
    said: str
    fixed: str = ""
    after: timedelta = timedelta(0)
    calm: timedelta = timedelta(minutes=5)
    events: tuple[str, str] | None = None
    is_mailed: bool = True


SAFE: Final = "Whoever is unsubscribed stays blocked here: nobody of them is mailed meanwhile."
OVER: Final = "Salesforce (%(org)s) is disconnected, so nobody looks at this any more."
RULES: Final[dict[str, Rule]] = {
    "sign-in": Rule(
        "Salesforce refuses our sign-in",
        "as soon as it lasts 2 minutes",
        "Salesforce (%(org)s) refuses our sign-in: %(code)s. Unsubscribes wait here. Connect the org again.",
        "The sign-in to Salesforce (%(org)s) works again; what waited is being sent.",
        timedelta(minutes=2),
        events=("connection lost", "connection restored"),
    ),
    "paused": Rule(
        "Pushes to Salesforce are paused",
        "when it lasts an hour",
        "Pushes to Salesforce (%(org)s) have been paused for an hour: %(code)s. Issues says what to do.",
        "Pushes to Salesforce (%(org)s) go on.",
        timedelta(hours=1),
    ),
    "parked": Rule(
        "Boxes wait for a person",
        "when Salesforce has refused a box for an hour",
        "Salesforce (%(org)s) refuses boxes, and a person must act: %(boxes)s. Issues says why and what to do.",
        "Salesforce (%(org)s) has taken every box that it refused.",
        timedelta(hours=1),
    ),
    "issue": Rule(
        "An issue",
        "at once, to webhooks only",
        "%(code)s",
        calm=timedelta(0),
        events=("issue opened", "issue resolved"),
        is_mailed=False,
    ),
    "held": Rule(
        "A mass change waits for your decision",
        "at once, and daily after 48 hours",
        "A mass change is held; people concerned: %(people)s. They are blocked until you decide. Apply it or drop it.",
        "The mass change is decided.",
        calm=timedelta(0),
    ),
    "crowded": Rule(
        "Addresses with many records wait for your decision",
        "at once, and daily after 48 hours",
        "Addresses that more than 20 records share: %(people)s. They are blocked; their records wait for you.",
        "The addresses with many records are decided.",
    ),
    "not proved": Rule(
        "Not proved",
        "when no sync run has proved agreement for 26 hours while the nightly sync is on",
        "No sync run has proved for %(hours)s hours that Salesforce (%(org)s) agrees. Sync runs says what happened.",
        "A sync run has proved again that Salesforce (%(org)s) agrees.",
        calm=timedelta(0),
    ),
    "slow": Rule(
        "Unsubscribes are slow to reach Salesforce",
        "when 1 of 100 unsubscribes of a day takes more than 5 minutes",
        "Of 100 unsubscribes of the last day one took more than %(minutes)s minutes to reach Salesforce (%(org)s).",
        "Unsubscribes reach Salesforce (%(org)s) within 5 minutes again.",
        calm=timedelta(hours=1),
    ),
    "webhook": Rule(
        "A webhook was disabled",
        "when an endpoint answers 410, or nothing but failures for 5 days, or its secret cannot be read",
        "Webhook %(endpoint)s was disabled: it is %(why)s. What happens is kept for 30 days. Enable it again.",
        "Webhook %(endpoint)s is enabled again, or was removed.",
        calm=timedelta(0),
    ),
    "late": Rule(
        "An opt-out is late in Salesforce",
        "when one is not in Salesforce after 24 hours, after 48 hours, and before 10 business days end",
        "The oldest opt-out that is not in Salesforce (%(org)s) came %(hours)s hours ago. %(yardstick)s",
        "Every opt-out that has a record is in Salesforce (%(org)s).",
        timedelta(minutes=10),
    ),
}
YARDSTICKS: Final = (
    "Gmail and Yahoo expect 48 hours.",
    "Gmail and Yahoo expect 48 hours; CAN-SPAM and CASL allow 10 business days.",
    "The 10 business days of CAN-SPAM and CASL end within two of them.",
    "The 10 business days of CAN-SPAM and CASL are over.",
)
"""By stage of the rule "late"."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now: `problem` names it, `stage` says how far it has grown."""

    rule: str
    problem: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    stage: int = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """A problem's row. `fixed_at` None: it is there, as far as was seen at `seen_at`."""

    alert_id: int
    rule: str
    problem: str
    stage: int
    figures: Mapping[str, Any]
    opened_at: datetime
    told_at: datetime | None = None
    seen_at: datetime | None = None
    told_stage: int | None = None
    fixed_at: datetime | None = None

    @property
    def title(self) -> str:
        """The rule's."""
        return RULES[self.rule].title

    @property
    def sentence(self) -> Told:
        """What is wrong, with its figures."""
        return sentence_of(RULES[self.rule].said, self.rule, self.figures, self.stage)

    @property
    def fixed_sentence(self) -> Told:
        """That it is fixed."""
        return sentence_of(RULES[self.rule].fixed, self.rule, self.figures, self.stage)


def steps(now: datetime, known: Iterable[Alert]) -> list[tuple[Step, Alert]]:
    """What becomes of each open problem after a look at `now`; one that was seen in it has that as its `seen_at`."""
    made: list[tuple[Step, Alert]] = []
    for alert in known:
        rule = RULES[alert.rule]
        if alert.seen_at == now:
            has_grown = alert.told_stage is None or alert.stage > alert.told_stage
            if has_grown and now - alert.opened_at >= rule.after:
                made.append(("tell", alert))
        elif alert.seen_at is None or now - alert.seen_at >= rule.calm:
            made.append(("drop" if alert.told_at is None else "fix", alert))
    return made


def late_stage(since: datetime, now: datetime) -> int | None:
    """How late an opt-out is: 0 after 24 h, 1 after 48 h, 2 and 3 by business days; None before that."""
    if now >= business_days_after(since, LAW_DAYS):
        return 3
    if now >= business_days_after(since, LAW_WARN_DAYS):
        return 2
    hours = (now - since) / timedelta(hours=1)
    if hours < LATE_HOURS:
        return None
    return 1 if hours >= PROVIDER_HOURS else 0


def held_stage(hours: float) -> int:
    """One more every day after 48 hours: each is a reminder."""
    return 0 if hours < HELD_HOURS else 1 + int((hours - HELD_HOURS) // DAY_HOURS)


def sentence_of(template: str, rule: str, figures: Mapping[str, Any], stage: int) -> Told:
    """A rule's sentence with its figures; a translator finds the template in it."""
    values = {name: f"{value:,}" if isinstance(value, int) else value for name, value in figures.items()}
    if rule == "late":
        values["yardstick"] = told(YARDSTICKS[stage])
    return told(template, **values)
