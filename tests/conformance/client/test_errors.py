"""What a refusing answer stands for: one table, and texts without addresses."""

import json

import pytest

from optsync.core.rejections import RetryClass, explain
from optsync.salesforce.errors import ApiRefused, Busy, LimitExceeded, OddAnswer, SalesforceError, clean, refusal


def rest(code: str, message: str = "said", **more: object) -> bytes:
    return json.dumps([{"errorCode": code, "message": message} | more]).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (403, rest("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), LimitExceeded, "REQUEST_LIMIT_EXCEEDED"),
        (403, rest("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded"), Busy, "REQUEST_LIMIT_EXCEEDED"),
        (403, rest("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests"), Busy, "REQUEST_LIMIT_EXCEEDED"),
        (400, rest("LIMIT_EXCEEDED", "Max jobs"), LimitExceeded, "LIMIT_EXCEEDED"),
        (503, rest("SERVER_UNAVAILABLE", "server too busy"), Busy, "SERVER_UNAVAILABLE"),
        (500, rest("UNKNOWN_EXCEPTION", "1234-5678"), Busy, "UNKNOWN_EXCEPTION"),
        (400, rest("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"), Busy, None),
        (403, rest("TXN_SECURITY_METERING_ERROR"), Busy, "TXN_SECURITY_METERING_ERROR"),
        (502, b"<html>Bad Gateway</html>", Busy, None),
        (503, b"", Busy, None),
        (504, b"", Busy, None),
        (420, b"", Busy, None),
        (429, b"", Busy, None),
        (406, b"", Busy, None),
        (414, b"<html></html>", ApiRefused, "URI_TOO_LONG"),
        (431, b"", ApiRefused, "URI_TOO_LONG"),
        (403, rest("API_CURRENTLY_DISABLED"), ApiRefused, "API_CURRENTLY_DISABLED"),
        (404, rest("NOT_FOUND", "The requested resource does not exist"), ApiRefused, "NOT_FOUND"),
        (409, rest("INVALIDJOBSTATE"), ApiRefused, "INVALIDJOBSTATE"),
        (302, b"", OddAnswer, None),
        (404, b"<html>not here</html>", OddAnswer, None),
        (400, b'{"error": "object"}', OddAnswer, None),
        (400, b"[]", OddAnswer, None),
    ],
)
def test_every_refusal_has_its_class(status: int, body: bytes, kind: type[SalesforceError], code: str | None) -> None:
    error = refusal(status, {}, body)
    assert type(error) is kind
    if code is not None:
        assert error.code == code


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_busy_says_when_to_come_back(header: str, seconds: float | None) -> None:
    error = refusal(429, {"retry-after": header}, b"")
    assert isinstance(error, Busy)
    assert error.retry_after_seconds == seconds


def test_all_texts_and_fields_of_a_refusal_are_kept() -> None:
    items = [
        {"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "first rule", "fields": ["A__c"]},
        {"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "second rule", "fields": ["B__c"]},
    ]
    error = refusal(400, {}, json.dumps(items).encode())
    assert isinstance(error, ApiRefused)
    assert (error.text, error.fields) == ("first rule; second rule", ("A__c", "B__c"))


def test_texts_of_salesforce_lose_addresses_and_length() -> None:
    said = clean(
        "\nSELECT Id FROM Lead WHERE Email IN ('ann.lee@example.com','b@c.de')\n ^\nERROR at Row:1" + 5000 * "x"
    )
    assert "@" not in said
    assert said.startswith("SELECT Id FROM Lead WHERE Email IN ('[address]','[address]') ^ ERROR at Row:1")
    assert len(said) == 500


@pytest.mark.parametrize("status", [400, 403, 404, 409])
@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b'"text"',
        b"5",
        b"[null]",
        b"[[]]",
        b'[{"errorCode": "X"}, null]',
        b'[{"message": "no code"}]',
        b"[" * 100_000,
        b'[{"errorCode": "X", "message": "' + 10_000_000 * b"x" + b'"}]',
        rest("X", fields=5),
        rest("X", fields="Email"),
        rest("X", fields=[None, {"a": 1}]),
        rest("X", fields={"a": 1}),
        json.dumps([{"errorCode": None, "message": None}]).encode(),
        json.dumps([{"errorCode": ["X"], "message": {"a": 1}}]).encode(),
        b"\xff\xfe",
    ],
    ids=range(16),
)
def test_a_refusal_of_odd_shape_is_still_one_of_our_errors(status: int, body: bytes) -> None:
    error = refusal(status, {}, body)
    assert isinstance(error, ApiRefused | OddAnswer)
    assert len(str(error)) < 1_000
    assert error.code is None or len(error.code) <= 80


def test_a_code_that_is_no_code_keeps_no_address_and_no_length() -> None:
    error = refusal(400, {}, rest("ann@example.com " + 1_000 * "x"))
    assert (error.code or "").startswith("[address]")
    assert len(error.code or "") <= 80


@pytest.mark.parametrize("body", [rest("UNSUPPORTED_API_VERSION"), rest("GONE"), b"<html>", b""])
def test_a_retired_version_is_told_as_such(body: bytes) -> None:
    error = refusal(410, {}, body)
    assert isinstance(error, ApiRefused)
    assert explain(error.code, error.text).retry is RetryClass.PAUSE
    assert "version" in explain(error.code, error.text).title
