"""/v1/webhooks: endpoints that are told what happens, and what came of each attempt."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Status
from pydantic import Field

from optsync.api.cursors import NUMBER_MAX, Cursor, Limit, cut, number_in
from optsync.api.door import ApiKey, caller_of
from optsync.api.idempotency import DOCUMENTED, made_once, once
from optsync.api.problems import Refusal
from optsync.api.shapes import Asked, Instant, Told
from optsync.config.desk import desk
from optsync.config.environment import read_environment
from optsync.core.problems import Problem
from optsync.webhooks import endpoints
from optsync.webhooks.egress import egress_of

router = Router()
EndpointId = Annotated[int, Path(ge=1, le=2**31 - 1, description="The number of the webhook.")]
DeliveryId = Annotated[int, Path(ge=1, le=NUMBER_MAX, description="The number of the delivery.")]


class Webhook(Told):
    """One endpoint; its secret is told when it is made, and never again."""

    id: int
    url: str
    types: list[str]
    state: Literal["active", "failing", "disabled"]
    disabled_why: Literal["by hand", "gone", "failing", "secret"] | None = Field(
        description="gone: it answered 410; failing: five days of attempts failed; secret: none of our keys opens it."
    )
    failing_since: datetime | None
    made_at: datetime
    replays_since: datetime | None = Field(
        description="What happened since then is being sent again; null = nothing is."
    )
    waiting: int = Field(description="Deliveries to come, up to 10,001.")


class Webhooks(Told):
    """All of them."""

    webhooks: list[Webhook]


class Made(Told):
    """A webhook's number and the secret that signs it."""

    id: int
    secret: str | None = Field(
        description="To be stored now. Null when an Idempotency-Key repeats the answer.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class New(Asked):
    """Whom to tell, and of what."""

    url: str = Field(min_length=1, max_length=2_000, examples=["https://example.com/hooks/optsync"])
    types: list[str] = Field(min_length=1, max_length=50, examples=[["unsubscribe.created"]])


class Attempt(Told):
    """One attempt; `status` is null when no answer came."""

    at: datetime
    status: int | None
    took_ms: int
    said: str


class Delivery(Told):
    """One event on its way to one endpoint."""

    id: int
    event: str
    type: str
    state: Literal["delivered", "pending", "failed"]
    made_at: datetime
    due_at: datetime | None = Field(description="The next attempt; null when there is none.")
    attempts: list[Attempt]


class Deliveries(Told):
    """A page of them, the newest first."""

    deliveries: list[Delivery]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class Since(Asked):
    """From when on."""

    since: Instant = Field(description="Within the last 30 days; with an offset, or Z.")


class Due(Told):
    """The delivery that a worker sends now."""

    delivery: int


@router.get("", auth=ApiKey("admin"), response=Webhooks)
def list_webhooks(request: HttpRequest) -> Webhooks:
    """Every endpoint, the oldest first."""
    return Webhooks(webhooks=[shown(one) for one in endpoints.listing(desk().connection())])


@router.post("", auth=ApiKey("admin"), response={201: Made}, openapi_extra=DOCUMENTED)
def add_webhook(request: HttpRequest, new: New) -> HttpResponse:
    """Tells an address what happens from now on. Its secret is in this answer only: none is kept for a repeat."""
    house, actor = desk(), caller_of(request).actor
    egress = egress_of(house.seams, read_environment())

    def add() -> tuple[int, Made]:
        try:
            number, secret = endpoints.add(
                house.connection(), house.vault, egress, house.seams.token_bytes, new.url, new.types, actor=actor
            )
        except Problem as problem:
            raise Refusal("invalid", problem.what, means=problem.means, next=problem.next) from None
        return 201, Made(id=number, secret=secret)

    return made_once(request, add, secret="secret")  # noqa: S106 - the name of a field


@router.get("/{endpoint_id}", auth=ApiKey("admin"), response=Webhook)
def get_webhook(request: HttpRequest, endpoint_id: EndpointId) -> Webhook:
    """One."""
    return shown(found(endpoint_id))


@router.delete("/{endpoint_id}", auth=ApiKey("admin"), response={204: None})
def remove_webhook(request: HttpRequest, endpoint_id: EndpointId) -> Status[None]:
    """Ends it for good, with the list of its deliveries."""
    found(endpoint_id)
    endpoints.remove(desk().connection(), endpoint_id, actor=caller_of(request).actor)
    return Status(204, None)


@router.post("/{endpoint_id}/enable", auth=ApiKey("admin"), response=Webhook, openapi_extra=DOCUMENTED)
def enable_webhook(request: HttpRequest, endpoint_id: EndpointId) -> HttpResponse:
    """Goes on where deliveries stopped, with what the last 30 days hold."""

    def enable() -> tuple[int, Webhook]:
        found(endpoint_id)
        endpoints.enable(desk().connection(), endpoint_id, actor=caller_of(request).actor)
        return 200, shown(found(endpoint_id))

    return once(request, enable)


@router.post("/{endpoint_id}/disable", auth=ApiKey("admin"), response=Webhook, openapi_extra=DOCUMENTED)
def disable_webhook(request: HttpRequest, endpoint_id: EndpointId) -> HttpResponse:
    """Stops deliveries; what happens meanwhile is kept for 30 days."""

    def disable() -> tuple[int, Webhook]:
        found(endpoint_id)
        endpoints.disable(desk().connection(), endpoint_id, actor=caller_of(request).actor)
        return 200, shown(found(endpoint_id))

    return once(request, disable)


@router.post("/{endpoint_id}/rotate", auth=ApiKey("admin"), response=Made, openapi_extra=DOCUMENTED)
def rotate_webhook_secret(request: HttpRequest, endpoint_id: EndpointId) -> HttpResponse:
    """A new secret; the one before signs too for 24 hours."""
    house, actor = desk(), caller_of(request).actor

    def rotate() -> tuple[int, Made]:
        found(endpoint_id)
        secret = endpoints.rotate(house.connection(), house.vault, house.seams.token_bytes, endpoint_id, actor=actor)
        return 200, Made(id=endpoint_id, secret=secret)

    return made_once(request, rotate, secret="secret")  # noqa: S106 - the name of a field


@router.post("/{endpoint_id}/test", auth=ApiKey("admin"), response=Due, openapi_extra=DOCUMENTED)
def test_webhook(request: HttpRequest, endpoint_id: EndpointId) -> HttpResponse:
    """Sends an event of type webhook.test; a worker delivers it within seconds."""

    def test() -> tuple[int, Due]:
        found(endpoint_id)
        return 200, Due(delivery=endpoints.send_test(desk().connection(), endpoint_id, actor=caller_of(request).actor))

    return made_once(request, test)


@router.post("/{endpoint_id}/replay", auth=ApiKey("admin"), response={202: Webhook}, openapi_extra=DOCUMENTED)
def replay_events(request: HttpRequest, endpoint_id: EndpointId, wanted: Since) -> HttpResponse:
    """Sends again all that happened since a moment, also what it never was told; what is new does not wait for it."""

    def replay() -> tuple[int, Webhook]:
        found(endpoint_id)
        try:
            endpoints.replay(desk().connection(), endpoint_id, wanted.since, actor=caller_of(request).actor)
        except Problem as problem:
            raise Refusal("invalid", problem.what, means=problem.means, next=problem.next) from None
        return 202, shown(found(endpoint_id))

    return made_once(request, replay)


@router.get("/{endpoint_id}/deliveries", auth=ApiKey("admin"), response=Deliveries)
def list_deliveries(
    request: HttpRequest, endpoint_id: EndpointId, limit: Limit = 100, cursor: Cursor = ""
) -> Deliveries:
    """Those of the last 30 days, with every attempt."""
    found(endpoint_id)
    before = number_in(cursor, first=NUMBER_MAX)
    rows = endpoints.deliveries(desk().connection(), endpoint_id, before, limit + 1)
    page, following = cut([delivery_of(row) for row in rows], limit, "id")
    return Deliveries(deliveries=list(page), next=following)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/resend", auth=ApiKey("admin"), response=Due, openapi_extra=DOCUMENTED
)
def resend_delivery(request: HttpRequest, endpoint_id: EndpointId, delivery_id: DeliveryId) -> HttpResponse:
    """Sends it again, from the first delay on."""

    def resend() -> tuple[int, Due]:
        if not endpoints.resend(desk().connection(), endpoint_id, delivery_id, actor=caller_of(request).actor):
            raise Refusal("not-found", f"webhook {endpoint_id} has no delivery {delivery_id}")
        return 200, Due(delivery=delivery_id)

    return made_once(request, resend)


def found(endpoint_id: int) -> endpoints.Endpoint:
    """One endpoint. Raises Refusal when there is none."""
    for one in endpoints.listing(desk().connection()):
        if one.endpoint_id == endpoint_id:
            return one
    raise Refusal("not-found", f"there is no webhook {endpoint_id}")


def shown(one: endpoints.Endpoint) -> Webhook:
    """As a program sees it."""
    return Webhook(
        id=one.endpoint_id,
        url=one.url,
        types=list(one.types),
        state=one.state,
        disabled_why=one.disabled_why,
        failing_since=one.failing_since,
        made_at=one.made_at,
        replays_since=one.replays_since,
        waiting=one.waiting,
    )


def delivery_of(one: endpoints.Delivery) -> Delivery:
    """As a program sees it."""
    return Delivery(
        id=one.delivery_id,
        event=f"evt_{one.event_id}",
        type=one.type,
        state=one.state,
        made_at=one.made_at,
        due_at=one.due_at,
        attempts=[Attempt.model_validate(attempt) for attempt in one.tried],
    )
