"""/v1/domains: domains at which nobody is mailed, subdomains included."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Status
from pydantic import Field

from optsync.api.cursors import Cursor, Limit, cut, name_in
from optsync.api.door import ApiKey, caller_of
from optsync.api.idempotency import DOCUMENTED, once
from optsync.api.problems import Refusal
from optsync.api.shapes import Asked, Told
from optsync.config.desk import desk
from optsync.core.problems import Problem
from optsync.ledger import domains

router = Router()
LENGTH_MAX = 300
Name = Annotated[str, Path(min_length=1, max_length=LENGTH_MAX, description="A domain, such as example.com.")]


class Domain(Told):
    """A domain at which nobody is mailed, not even non-commercially."""

    domain: str = Field(examples=["example.com"])
    since_at: datetime


class Domains(Told):
    """A page of them, by name."""

    domains: list[Domain]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class NewDomain(Asked):
    """A domain to be blocked."""

    domain: str = Field(min_length=1, max_length=LENGTH_MAX, description="As typed.", examples=["example.com"])


@router.get("", auth=ApiKey("read"), response=Domains)
def list_domains(request: HttpRequest, limit: Limit = 100, cursor: Cursor = "") -> Domains:
    """Those that are blocked by themselves; each blocks its subdomains, too."""
    page, following = cut(domains.listing(desk().connection(), name_in(cursor), limit + 1), limit, "domain")
    return Domains(domains=[Domain.model_validate(one) for one in page], next=following)


@router.post("", auth=ApiKey("admin"), response={200: Domain, 201: Domain}, openapi_extra=DOCUMENTED)
def block_domain(request: HttpRequest, new: NewDomain) -> HttpResponse:
    """Mails nobody there, nor at its subdomains, from now on. 201: blocked; 200: it was already."""
    conn, name = desk().connection(), domain_in(new.domain)

    def block() -> tuple[int, Domain]:
        is_new = domains.block(conn, name, actor=caller_of(request).actor)
        blocked = next((one for one in domains.listing(conn) if one.domain == name), None)
        if blocked is None:  # somebody allowed it in this moment
            raise not_blocked(name)
        return (201 if is_new else 200), Domain.model_validate(blocked)

    return once(request, block)


@router.delete("/{domain}", auth=ApiKey("admin"), response={204: None})
def allow_domain(request: HttpRequest, domain: Name) -> Status[None]:
    """Ends the block of a domain. Who unsubscribed there stays unsubscribed."""
    name = domain_in(domain)
    if not domains.allow(desk().connection(), name, actor=caller_of(request).actor):
        raise not_blocked(name)
    return Status(204, None)


def domain_in(text: str) -> str:
    """The domain that is meant. Raises Refusal."""
    try:
        return domains.domain_in(text)
    except Problem as problem:
        raise Refusal("invalid", problem.what, means=problem.means, next=problem.next) from None


def not_blocked(name: str) -> Refusal:
    """There is nothing to end."""
    return Refusal("not-found", f"{name} is not blocked itself", next="See GET /v1/domains for those that are.")
