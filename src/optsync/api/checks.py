"""/v1/check: may these people be mailed? Asked of the database each time; while it is away the answer is 503."""

import json
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Annotated, Final, Literal, Self

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import ConfigDict, Field, model_validator

from optsync.api.door import JSON, ApiKey
from optsync.api.limits import SENDING
from optsync.api.shapes import Address, Asked, Told
from optsync.config.desk import desk
from optsync.core.record_ids import BadRecordId, to_18
from optsync.ledger import check
from optsync.public.senders import scope_to_check

router = Router()
ASKED_MAX: Final = 10_000
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""10,000 addresses of 254 bytes, with room for quotes and escapes."""

Cause = Literal["opt_out", "hold", "blocked_domain", "erased", "unknown_record", "no_address", "not_an_address"]
CAUSES: Final[dict[str, Cause]] = {
    "blocked domain": "blocked_domain",
    "in a mass change that waits for a decision": "hold",
    check.ERASED: "erased",
    check.UNKNOWN_RECORD: "unknown_record",
    check.NO_ADDRESS: "no_address",
    check.NOT_ONE: "not_an_address",
}
"""Everything else that blocks is an opt-out."""
RecordId = Annotated[str, Field(pattern="^[0-9A-Za-z]{15}([A-Z0-5]{3})?$")]


class Question(Asked):
    """Addresses or Salesforce ids, not both."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["addresses"]}, {"required": ["ids"]}]})

    addresses: list[Address] = Field(
        [], min_length=1, max_length=ASKED_MAX, examples=[["ann@example.com", "bob@example.com"]]
    )
    ids: list[RecordId] = Field(
        [],
        min_length=1,
        max_length=ASKED_MAX,
        description="Lead, Contact or Account ids, 15 or 18 characters.",
    )
    non_commercial: bool = Field(
        False, description="For mail that people must get: passes opt-outs and holds, never blocked domains."
    )

    sender: str = Field(
        "",
        max_length=255,
        description="Who would write: some stopped only this sender.",
        examples=["Jane Doe"],
    )

    @model_validator(mode="after")
    def is_one_question(self) -> Self:
        """Raises ValueError unless exactly one list is there."""
        if bool(self.addresses) == bool(self.ids):
            raise ValueError("give either addresses or ids")
        return self


class Answer(Told):
    """Whether one person may be mailed; `asked` is the address or id as it came."""

    asked: str
    allowed: bool
    cause: Cause | None = Field(description="A code that stays as it is; null when allowed.")
    why: str = Field(description="The same in words; empty when allowed.")


class Answers(Told):
    """One answer for each that was asked, in the same order."""

    allowed: int = Field(description="How many may be mailed.")
    blocked: int = Field(description="How many must not be mailed.")
    answers: list[Answer]


DOOR: Final = ApiKey("check", SENDING, BODY_BYTES_MAX)


@router.post("", auth=DOOR, response=Answers, summary="May they be mailed?")
def check_before_sending(request: HttpRequest, question: Question) -> HttpResponse:
    """Ask right before you send. Mail only who is `allowed`; treat any other answer than 200, and none, as a block."""
    return HttpResponse(answered(question), content_type=JSON)


def answered(question: Question) -> str:
    """`Answers` as JSON. Raises psycopg.Error when the database cannot be asked."""
    conn = desk().connection()
    scope, passes = scope_to_check(conn, question.sender), question.non_commercial
    if question.ids:
        asked, known = question.ids, [known_as(one) for one in question.ids]
        reasons = check.ask_by_record(conn, known, sender_scope=scope, non_commercial=passes)
    else:
        asked = question.addresses
        reasons = check.ask(conn, desk().subject_key, asked, sender_scope=scope, non_commercial=passes)
    return answers_text(asked, reasons)


def answers_text(asked: Sequence[str], reasons: Sequence[str]) -> str:
    """`Answers` as JSON. Few reasons block many people: each is encoded once, in a third of the time of json.dumps."""
    ends = {why: json.dumps({"allowed": not why, "cause": cause_of(why), "why": why})[1:] for why in set(reasons)}
    answers = [f'{{"asked": {quoted(one)}, {ends[why]}' for one, why in zip(asked, reasons, strict=True)]
    blocked = sum(map(bool, reasons))
    return f'{{"allowed": {len(asked) - blocked}, "blocked": {blocked}, "answers": [{", ".join(answers)}]}}'


def known_as(record_id: str) -> str:
    """The 18 characters under which we know a record; a text whose check digits are wrong stays, and is not known."""
    try:
        return to_18(record_id)
    except BadRecordId:
        return record_id


def cause_of(why: str) -> Cause | None:
    """The code of the engine's words; None when nothing blocks."""
    return CAUSES.get(why, "opt_out") if why else None
