"""Asks an org the questions that documentation leaves open, and whether it answers as the practice org does.

Only records that the check makes itself are touched: it ticks their boxes, deletes them, and never writes anything but
true. Its questions are those on which the rest of this package relies.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from optsync.core.problems import Problem
from optsync.salesforce import organization
from optsync.salesforce.contract.bench import Bench, NotSeen
from optsync.salesforce.contract.facts import FACTS, Fact
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.organization import Organization
from optsync.salesforce.session import Session
from optsync.seams import Seams

Verdict = Literal["same", "differs", "not seen"]
TRIAL_EDITION: Final = "Developer Edition"


@dataclass(frozen=True, slots=True)
class Finding:
    """One question and the org's answer; `found` says why when it is "not seen"."""

    fact: Fact
    verdict: Verdict
    found: str


@dataclass(slots=True)
class Report:
    """Every finding, and the ids of own records that could not be deleted again."""

    findings: list[Finding]
    left: list[str]


def check(
    session: Session, seams: Seams, *, production: bool = False, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Asks every question. Raises Problem for a production org that was not named as one, SalesforceError at sign-in.

    A question whose answer is trouble is "not seen" with the trouble's words; the others are asked all the same.
    """
    org = organization.fetch(session)
    if not (production or is_for_trying(org, practice=session.credential.practice)):
        raise production_problem(org)
    bench = Bench(session, seams)
    report = Report([], [])
    try:
        report.findings += _asked(bench, progress)
    finally:
        report.left += bench.clear()
    return report


def is_for_trying(org: Organization, *, practice: bool) -> bool:
    """Whether nobody's customers are in the org: a sandbox, a Developer Edition, or a practice org on this machine."""
    return practice or org.is_sandbox or org.edition == TRIAL_EDITION


def _asked(bench: Bench, progress: Callable[[str], None]) -> Iterator[Finding]:
    for fact in FACTS:
        progress(fact.id)
        try:
            found = fact.ask(bench)
        except NotSeen as reason:
            yield Finding(fact, "not seen", str(reason))
        except SalesforceError as error:
            yield Finding(fact, "not seen", error.message)
        else:
            yield Finding(fact, "same" if found == fact.expected else "differs", found)


def production_problem(org: Organization) -> Problem:
    """Why an org that is not for trying is left alone, and the way to ask it all the same."""
    return Problem(
        f"{org.name} ({org.id}) is a production org",
        "the check makes a Lead and some Contacts there and deletes them again; flows and triggers may act on them",
        "use a sandbox, or say that it is meant: --production",
        exit_code=2,
    )
