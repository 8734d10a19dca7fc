"""An example for every property of the OpenAPI document that its own field gives none: a name means one thing here."""

from collections.abc import Mapping
from typing import Any, Final

ORG: Final = "00D5g000004zQrkEAE"
RECORD: Final = "0035g00000AbCdEAAV"
INSTANT: Final = "2026-11-28T09:12:44.031882Z"
NUMBER: Final = 7
"""For a count or a number of ours."""
SUMS: Final = {
    "recorded": 48250,
    "linked": 48213,
    "not_linked": 37,
    "pairs": 50120,
    "no_address": 2,
    "confirmed": 50119,
    "owed": 0,
    "held": 0,
    "parked": 3,
}
FIX: Final = "let the permission set of the integration user edit this record"
SAID: Final[dict[str, Any]] = {
    "actor": "API key crm sender",
    "address": "ann@example.com",
    "addresses": ["ann@example.com"],
    "asked": "ann@example.com",
    "authorization_note": None,
    "cause": "1-5f1c0e9b7a3d4c2e8f6a1b0c9d8e7f60",
    "consent_date": "2026-03-02",
    "consent_purpose": "product news",
    "set_by": "anna",
    "source_note": None,
    "attempts": 1,
    "body": "Hello Ann. {{team_unsubscribe}}",
    "by": "anna",
    "campaign": "spring-offer",
    "code": "INSUFFICIENT_ACCESS_OR_READONLY",
    "counts": {"confirmed": 412, "recorded": 57},
    "data": {"person": 48213, "address": "ann@example.com", "source": "one-click", "scope": "account"},
    "delivery": 4711,
    "detail": "1 of the fields or parameters do not fit",
    "error": {"what": "Salesforce did not answer", "means": "nothing was half written", "next": "it goes on by itself"},
    "event": "evt_4711",
    "evidence": {"message": "<1234@mail.example.com>"},
    "expected_seconds": 48.0,
    "field": "HasOptedOutOfEmail",
    "fix": "let the permission set edit the field",
    "handle": "4f1c2a9be07d",
    "headers": {
        "List-Unsubscribe": "<https://mail.example.com/u/Zx8...>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    },
    "html": '<a href="https://mail.example.com/u/Zx8...">Unsubscribe</a>',
    "ids": [RECORD],
    "instance": "/v1/unsubscribes",
    "label": "Email Opt Out",
    "layout": "plain list",
    "linked_by": "lookup",
    "made_by": "anna",
    "means": "Nothing was done.",
    "message_id": "<1234@mail.example.com>",
    "name": "old-optouts.csv",
    "next": "YWZ0ZXIgNDcxMQ",
    "object": "Contact",
    "org": ORG,
    "paused": "",
    "percent": 40,
    "phase": "writing",
    "reason": "asked for by telephone",
    "reasons": {"no e-mail address": 3},
    "record": RECORD,
    "record_id": RECORD,
    "request_id": "0198d3c6-7c1e-7d55-9a51-0e6a4c9f2b10",
    "rest": [{"boxes": 3, "verdict": "parked", "reason": "INSUFFICIENT_ACCESS_OR_READONLY"}],
    "result": "proved",
    "said": "insufficient access rights on object id",
    "scopes": ["check"],
    "seconds": 48.2,
    "sender": "Jane Doe",
    "sentence": "Every opt-out is in Salesforce.",
    "source": "api",
    "status": 200,
    "team": "Sales EMEA",
    "text": "Unsubscribe: https://mail.example.com/u/Zx8...",
    "title": "We may not edit this record",
    "type": "unsubscribe.created",
    "types": ["unsubscribe.created"],
    "url": "https://mail.example.com/u/Zx8...",
    "user": "jane@example.com",
    "what": "Unsubscribed",
    "where": "/addresses/3",
    "why": "unsubscribed",
    "Attempt.said": "ok",
    "Box.reason": None,
    "Check.title": "Email Opt Out can be ticked on Contact",
    "Check.why": "",
    "Check.fix": "",
    "FieldError.detail": "String should match pattern '@'",
    "Import.counts": {"rows": 5120, "new": 5000, "already": 117, "bad": 3},
    "Import.problem": None,
    "ImportProblem.means": "nothing was imported",
    "ImportProblem.next": "name the column that holds the address",
    "ImportProblem.what": "no column holds an e-mail address",
    "Issue.next": FIX,
    "MadeLinks.warnings": [],
    "OrgStatus.sentence": "3 boxes wait for a person. The people are already blocked here.",
    "OrgStatus.verdict": "parked",
    "Check.state": "pass",
    "PersonalLink.body": None,
    "Preview.error": None,
    "Preview.result": "dry run",
    "Preview.state": "finished",
    "ProblemDocument.next": "Correct what `errors` names.",
    "ProblemDocument.status": 422,
    "ProblemDocument.title": "Something in the request does not fit",
    "ProblemKind.code": "invalid",
    "ProblemKind.next": "Correct what `errors` names.",
    "ProblemKind.status": 422,
    "ProblemKind.title": "Something in the request does not fit",
    "ProblemKind.type": "/v1/problems#invalid",
    "Reject.next": FIX,
    "Run.error": None,
    "Run.state": "finished",
    "RowResult.why": "",
    "Webhook.disabled_why": None,
    "Webhook.failing_since": None,
    "Webhook.replays_since": None,
    "Webhook.url": "https://example.com/hooks/optsync",
}
SAID.update({f"Sums.{name}": count for name, count in SUMS.items()})
"""By name, or by schema and name where the name alone does not say it."""


def fill_in(schemas: dict[str, Any]) -> None:
    """Gives every property of every schema an example, in place. Raises KeyError for one that nobody can guess."""
    for shape, schema in schemas.items():
        for name, part in schema.get("properties", {}).items():
            part.setdefault("examples", [example_of(shape, name, part, schemas)])


def example_of(shape: str, name: str, part: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """What the property of a schema may hold."""
    if "examples" in part:
        return part["examples"][0]
    if f"{shape}.{name}" in SAID:
        return SAID[f"{shape}.{name}"]
    if "$ref" in part:
        inner = part["$ref"].rpartition("/")[2]
        return {one: example_of(inner, one, each, schemas) for one, each in schemas[inner]["properties"].items()}
    if "anyOf" in part:  # null is the other one
        return example_of(shape, name, next(one for one in part["anyOf"] if one.get("type") != "null"), schemas)
    if "enum" in part:
        return part["enum"][0]
    if part.get("type") == "array" and "$ref" in part["items"]:
        return [example_of(shape, name, part["items"], schemas)]
    return plain_example_of(name, part)


def plain_example_of(name: str, part: Mapping[str, Any]) -> Any:
    """By the name, else by the type. Raises KeyError for a text or an object of a new name."""
    if part.get("format") == "date-time":
        return INSTANT
    if name in SAID:
        return SAID[name]
    return {"boolean": True, "integer": NUMBER}[part.get("type", name)]
