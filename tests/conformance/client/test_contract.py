"""`contract-check`: the practice org answers as it says it does, every switch of it is noticed, and nothing is left."""

from collections.abc import Iterator

import pytest

from optsync import seams
from optsync.salesforce import contract, organization
from optsync.salesforce.contract import Finding
from optsync.salesforce.session import Session
from tests.practice import PracticeOrg


def findings(session: Session) -> dict[str, Finding]:
    return {finding.fact.id: finding for finding in contract.check(session, seams.real()).findings}


def others(session: Session) -> dict[str, str]:
    """What is not as the practice org is by default, with what was found instead."""
    return {name: finding.found for name, finding in findings(session).items() if finding.verdict != "same"}


@pytest.fixture
def granted(org: PracticeOrg) -> Iterator[PracticeOrg]:
    """An org whose boxes our user may tick."""
    org.reset(leads=20, contacts=30, grant_opt_out=True)
    yield org
    org.reset()


def test_the_practice_org_answers_every_question_as_it_says(granted: PracticeOrg, session: Session) -> None:
    assert others(session) == {}


def test_the_check_leaves_no_record_behind_and_never_says_false(granted: PracticeOrg, session: Session) -> None:
    before = live_records(session)
    report = contract.check(session, seams.real())
    assert report.left == []
    assert live_records(session) == before
    assert granted.spy()["false_writes"] == 0


def live_records(session: Session) -> dict[str, int]:
    answer = session.request("GET", "limits/recordCount?sObjects=Lead,Contact").json_object()
    return {one["name"]: one["count"] for one in answer["sObjects"]}


@pytest.mark.parametrize(
    ("switches", "found"),
    [
        ({"bulk_header_on_every_page": False}, {"bulk-later-pages": "without header"}),
        ({"all_failed_collection_status": 400}, {"collection-all-failed": "400"}),
        ({"duplicate_id_fails_in_collection": False}, {"collection-twice": "both succeed"}),
        (
            {"result_pages_next_key": "nextRecordUrl"},
            {"bulk-result-pages": "done, nextRecordUrl, resultPages"},
        ),
        ({"failed_rows_carry_id": True}, {"ingest-failed-id": "with sf__Id"}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_an_org_that_answers_otherwise_is_told_apart(
    granted: PracticeOrg, session: Session, switches: dict[str, object], found: dict[str, str]
) -> None:
    granted.behaviour(**switches)
    assert others(session) == found


def test_where_the_box_is_hidden_its_questions_are_not_seen_and_say_so(org: PracticeOrg, session: Session) -> None:
    org.reset(leads=20, contacts=30, grant_opt_out=False)
    seen = findings(session)
    assert (seen["update-one"].verdict, seen["update-one"].found) == (
        "not seen",
        "Email Opt Out is hidden on Lead for this user",
    )
    assert seen["bulk-header"].verdict == "same"


def test_a_record_that_cannot_be_deleted_again_is_named(granted: PracticeOrg, session: Session) -> None:
    granted.fault("refuse", route="record.delete", skip=1, times=1, code="DELETE_FAILED", status=400)
    report = contract.check(session, seams.real())
    (left,) = report.left
    assert granted.record(left)["LastName"] == "optsync contract check"


def test_a_production_org_is_asked_only_when_it_is_named_as_one(granted: PracticeOrg, session: Session) -> None:
    org = organization.fetch(session)
    assert contract.is_for_trying(org, practice=True)
    assert not contract.is_for_trying(org, practice=False)
    assert "is a production org" in contract.production_problem(org).what
