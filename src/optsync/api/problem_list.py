"""/v1/problems: every code with its meaning. Needs no key."""

from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from optsync.api.problems import CATALOGUE, KINDS
from optsync.api.shapes import Told

router = Router()


class FieldError(Told):
    """One thing that does not fit."""

    where: str = Field(description="A JSON Pointer into the body, or the name of a parameter or header.")
    detail: str


class ProblemDocument(Told):
    """Why a request was not done (RFC 9457)."""

    type: str = Field(description="Where the code is explained.", examples=["/v1/problems#invalid"])
    title: str
    status: int
    detail: str = Field(description="What happened this time.")
    instance: str = Field(description="The path that was asked.")
    code: str = Field(description="Stays as it is; decide by this.", examples=["invalid"])
    means: str = Field(description="What follows from it.")
    next: str = Field(description="What to do.")
    request_id: str
    errors: list[FieldError] | None = None


class ProblemKind(Told):
    """One code."""

    type: str
    code: str
    status: int
    title: str
    means: str
    next: str


class ProblemKinds(Told):
    """All of them."""

    problems: list[ProblemKind]


@router.get("", response=ProblemKinds)
def list_problems(request: HttpRequest) -> ProblemKinds:
    """Every code that a problem document may carry."""
    kinds = [
        ProblemKind(
            type=f"{CATALOGUE}#{code}",
            code=code,
            status=kind.status,
            title=kind.title,
            means=kind.means,
            next=kind.next,
        )
        for code, kind in KINDS.items()
    ]
    return ProblemKinds(problems=kinds)
