"""Every refusal is explained, classified and shown."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync.core.rejections import COMMANDS, REJECTIONS, UNKNOWN_CODE, Rejection, RetryClass, explain

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rejections.md"
Class = RetryClass

# The 26 errors of Marketo Sales Connect's page "Salesforce Diagnostics", with the message it quotes.
DIAGNOSTICS = [
    ("API_CURRENTLY_DISABLED", "API is disabled for this user", Class.PAUSE),
    ("AUTHENTICATION_FAILURE", "invalid_grant: authentication failure", Class.RECONNECT),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: execution of BeforeUpdate", Class.PARK),
    ("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", Class.FOLLOW),
    ("ENTITY_IS_LOCKED", "the entity is locked for editing", Class.SLOW),
    ("EXPIRED_ACCESS", "invalid_grant: expired access/refresh token", Class.RECONNECT),
    ("FAILED_WRITE", "end of file reached", Class.RETRY),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Opt-outs need a reason", Class.PARK),
    ("FIELD_FILTER_VALIDATION_EXCEPTION", "Value does not exist or does not match filter criteria", Class.PARK),
    ("FIELD_INTEGRITY_EXCEPTION", "State/Province Code", Class.PARK),
    ("INACTIVE_ORGANIZATION", "invalid_grant: inactive organization", Class.RECONNECT),
    ("INACTIVE_USER", "invalid_grant: inactive user", Class.RECONNECT),
    ("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "", Class.SLOW),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on object id", Class.PARK),
    ("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", Class.PARK),
    ("INVALID_FIELD", "No such column 'X' on sobject of type Lead", Class.PAUSE),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: X.", Class.PAUSE),
    ("INVALID_GRANT", "invalid_grant: ip restricted", Class.RECONNECT),
    ("INVALID_TYPE", "sObject type 'Lead' is not supported", Class.PAUSE),
    ("QUERY_TIMEOUT", "Your query request was running too long", Class.RETRY),
    ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Class.LIMIT),
    ("REQUIRED_FIELD_MISSING", "Required fields are missing: [X__c]", Class.PARK),
    ("SERVER_UNAVAILABLE", "server too busy", Class.RETRY),
    ("TXN_SECURITY_NO_ACCESS", "not allowed due to a security policy", Class.PARK),
    ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", Class.RETRY),
    ("UNKNOWN_EXCEPTION", "Unknown Exception occurred", Class.RETRY),
]

# What else Salesforce answers to an update.
OTHER_ERRORS = [
    ("API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.", Class.PAUSE),
    ("DUPLICATES_DETECTED", "Use one of these records?", Class.RETRY),
    ("DUPLICATE_VALUE", "duplicate value found: X__c", Class.PARK),
    ("ENTITY_IS_DELETED", "entity is deleted", Class.FOLLOW),
    ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", Class.FOLLOW),
    ("INVALID_SESSION_ID", "Session expired or invalid", Class.RECONNECT),
    ("MALFORMED_ID", "malformed id 001RM000003oCpr", Class.PARK),
    ("NOT_FOUND", "The requested resource does not exist", Class.PAUSE),
    ("TXN_SECURITY_METERING_ERROR", "policy timed out", Class.RETRY),
]


@pytest.mark.parametrize(("code", "message", "retry"), [*DIAGNOSTICS, *OTHER_ERRORS])
def test_r13_each_diagnostic_error_is_classified(code: str, message: str, retry: RetryClass) -> None:
    rejection = explain(code, message)
    assert (rejection.code, rejection.retry) == (code, retry)


def test_r13_there_are_26_diagnostic_errors() -> None:
    assert len({code for code, _, _ in DIAGNOSTICS}) == 26


# The codes of an update that the diagnostics leave out (REST API and SOAP API Developer Guides).
OTHERS = [
    ("ENTITY_IS_DELETED", "entity is deleted", Class.FOLLOW),
    ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", Class.FOLLOW),
    ("MALFORMED_ID", "Contact ID: id value of incorrect type: 001RM", Class.PARK),
    ("NOT_FOUND", "The requested resource does not exist", Class.PAUSE),
    ("DUPLICATES_DETECTED", "Use one of these records?", Class.RETRY),
    ("DUPLICATE_VALUE", "duplicate value found", Class.PARK),
    ("TXN_SECURITY_METERING_ERROR", "", Class.RETRY),
    ("API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.", Class.PAUSE),
    ("UNSUPPORTED_API_VERSION", "", Class.PAUSE),
]


@pytest.mark.parametrize(("code", "message", "retry"), OTHERS)
def test_every_other_code_of_an_update_is_classified(code: str, message: str, retry: RetryClass) -> None:
    rejection = explain(code, message)
    assert (rejection.code, rejection.retry) == (code, retry)


@pytest.mark.parametrize("rejection", REJECTIONS.values(), ids=REJECTIONS.keys())
def test_every_explanation_is_whole_sentences_a_person_can_act_on(rejection: Rejection) -> None:
    assert rejection.title
    assert not rejection.title.endswith(".")
    assert rejection.means.endswith(".")
    assert len(rejection.next.split()) >= 4


@pytest.mark.parametrize("rejection", REJECTIONS.values(), ids=REJECTIONS.keys())
def test_r44_a_command_stands_only_where_somebody_types(rejection: Rejection) -> None:
    """A page has a button beside the advice; a terminal and a program elsewhere are told the command."""
    assert not re.search(r"optsync (retry|doctor|connect|sync)", rejection.next)
    assert rejection.advice == " ".join(filter(None, [rejection.next, COMMANDS.get(rejection.act)]))


@pytest.mark.parametrize(
    ("code", "message", "explained_as", "retry"),
    [
        ("invalid_grant", "expired access/refresh token", "EXPIRED_ACCESS", Class.RECONNECT),
        ("invalid_grant", "user hasn't approved this consumer", "INVALID_GRANT", Class.RECONNECT),
        ("invalid_client", "invalid client credentials", "INVALID_CLIENT_ID", Class.RECONNECT),
        ("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded", "REQUEST_LIMIT_EXCEEDED", Class.RETRY),
        (
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "INVALID_SESSION_ID: expired",
            "INVALID_SESSION_ID",
            Class.RECONNECT,
        ),
        ("APEX_DATA_ACCESS_RESTRICTION", "no", "APEX_DATA_ACCESS_RESTRICTION", Class.PARK),
    ],
)
def test_the_message_decides_where_one_code_means_several_things(
    code: str, message: str, explained_as: str, retry: RetryClass
) -> None:
    rejection = explain(code, message)
    assert (rejection.code, rejection.retry) == (explained_as, retry)


@given(st.text(min_size=1))
def test_an_unknown_code_parks_the_mark_with_salesforces_own_words(message: str) -> None:
    rejection = explain("BRAND_NEW_CODE", message)
    assert (rejection.code, rejection.means, rejection.retry) == ("BRAND_NEW_CODE", message, Class.PARK)


@given(st.none() | st.text(), st.none() | st.text())
def test_any_answer_at_all_is_explained(code: str | None, message: str | None) -> None:
    assert explain(code, message).title
    assert explain(None, None).code == UNKNOWN_CODE


def reference_page() -> str:
    head = """# What Salesforce's refusals mean

Made from the table in `src/optsync/core/rejections.py`. A refused opt-out is never dropped: the person is blocked here
at once and stays blocked, and the box stays owed or parked until Salesforce takes it. A code that is not listed parks
the mark and shows Salesforce's own words.

| Tried again | When |
|---|---|
| soon | after 2 s to 15 min, each wait up to twice as long |
| hourly | after about an hour |
| follow | at once on the record's successor; else like soon |
| park | about once a day, and on `optsync retry` |
| pause | every 15 minutes for the whole object, and at once on `optsync retry` |
| limit | after 15 min to 1 h, until there is budget |
| reconnect | after 15 min to 1 h, and at once after `optsync connect` |

| Salesforce says | Title | Means | Next | Tried again |
|---|---|---|---|---|
"""
    rows = (f"| {r.code} | {r.title} | {r.means} | {r.advice} | {r.retry.value} |\n" for r in REJECTIONS.values())
    return head + "".join(rows)


def test_the_reference_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "write it anew: python tests/core/test_rejections.py"


if __name__ == "__main__":
    PAGE.write_text(reference_page(), encoding="utf-8")
