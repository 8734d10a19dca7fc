"""/v1/check: may these people be mailed? Asked of the database each time; while it is away the answer is 503."""

from typing import Final, Literal, Self

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Router
from pydantic import Field, field_validator, model_validator

from optsync.api.door import ApiKey
from optsync.api.limits import SENDING
from optsync.api.shapes import ADDRESS_LENGTH_MAX, Asked, Told
from optsync.config.desk import desk
from optsync.core.record_ids import BadRecordId, to_18
from optsync.ledger import check

router = Router()
ASKED_MAX: Final = 10_000
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""10,000 addresses of 254 bytes, with room for quotes and escapes."""

Cause = Literal["opt_out", "hold", "blocked_domain", "erased", "unknown_record", "no_address"]
CAUSES: Final[dict[str, Cause]] = {
    "blocked domain": "blocked_domain",
    "in a mass change that waits for a decision": "hold",
    check.ERASED: "erased",
    check.UNKNOWN_RECORD: "unknown_record",
    check.NO_ADDRESS: "no_address",
}
"""Everything else that blocks is an opt-out."""


class Question(Asked):
    """Addresses or Salesforce ids, not both."""

    addresses: list[str] | None = Field(
        None, min_length=1, max_length=ASKED_MAX, examples=[["ann@example.com", "bob@example.com"]]
    )
    ids: list[str] | None = Field(
        None,
        min_length=1,
        max_length=ASKED_MAX,
        description="Lead, Contact or Account ids, 15 or 18 characters.",
        examples=[None],
    )
    non_commercial: bool = Field(
        False, description="For mail that people must get: passes opt-outs and holds, never blocked domains."
    )

    @field_validator("addresses")
    @classmethod
    def are_addresses(cls, addresses: list[str] | None) -> list[str] | None:
        """What is no address would be allowed, since nobody unsubscribed under it. Raises ValueError."""
        for place, address in enumerate(addresses or []):
            if "@" not in address.strip().strip("@") or len(address) > ADDRESS_LENGTH_MAX:
                raise ValueError(f"number {place} (counted from 0) is no e-mail address")
        return addresses

    @field_validator("ids")
    @classmethod
    def are_ids(cls, ids: list[str] | None) -> list[str] | None:
        """15 and 18 characters name one record. Raises ValueError."""
        for place, record_id in enumerate(ids or []):
            try:
                to_18(record_id)
            except BadRecordId as error:
                raise ValueError(f"number {place} (counted from 0): {error}") from None
        return ids

    @model_validator(mode="after")
    def is_one_question(self) -> Self:
        """Raises ValueError unless exactly one list is there."""
        if (self.addresses is None) == (self.ids is None):
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


@router.post("", auth=ApiKey("check", SENDING, BODY_BYTES_MAX), response=Answers, summary="May they be mailed?")
def check_before_sending(request: HttpRequest, question: Question) -> HttpResponse:
    """Ask right before you send. Mail only who is `allowed`; treat any other answer than 200, and none, as a block."""
    conn = desk().connection()
    if question.ids is not None:
        asked = question.ids
        reasons = check.ask_by_record(conn, [to_18(one) for one in asked], non_commercial=question.non_commercial)
    else:
        asked = question.addresses or []
        verdicts = check.ask(conn, desk().subject_key, asked, non_commercial=question.non_commercial)
        reasons = [verdict.why for verdict in verdicts]
    blocked = sum(map(bool, reasons))
    answers = [
        {"asked": one, "allowed": not why, "cause": cause_of(why), "why": why}
        for one, why in zip(asked, reasons, strict=True)
    ]
    # Written straight: 10,000 answers as models would take four times as long. A test holds them to `Answers`.
    return JsonResponse({"allowed": len(asked) - blocked, "blocked": blocked, "answers": answers})


def cause_of(why: str) -> Cause | None:
    """The code of the engine's words; None when nothing blocks."""
    return CAUSES.get(why, "opt_out") if why else None
