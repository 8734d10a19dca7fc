"""/v1/domains: domains at which nobody is mailed, subdomains included."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router, Status
from pydantic import Field

from optsync.api.door import ApiKey, caller_of
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
    """All of them, by name."""

    domains: list[Domain]


class NewDomain(Asked):
    """A domain to be blocked."""

    domain: str = Field(min_length=1, max_length=LENGTH_MAX, description="As typed.", examples=["example.com"])


@router.get("", auth=ApiKey("read"), response=Domains)
def list_domains(request: HttpRequest) -> Domains:
    """Those that are blocked by themselves; each blocks its subdomains, too."""
    found = domains.listing(desk().connection())
    return Domains(domains=[Domain.model_validate(one) for one in found])


@router.post("", auth=ApiKey("admin"), response={200: Domain, 201: Domain})
def block_domain(request: HttpRequest, new: NewDomain) -> Status[Domain]:
    """Mails nobody there, nor at its subdomains, from now on. 201: blocked; 200: it was already."""
    conn, name = desk().connection(), domain_in(new.domain)
    is_new = domains.block(conn, name, actor=caller_of(request).actor)
    blocked = next((one for one in domains.listing(conn) if one.domain == name), None)
    if blocked is None:  # somebody allowed it in this moment
        raise not_blocked(name)
    return Status(201 if is_new else 200, Domain.model_validate(blocked))


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
