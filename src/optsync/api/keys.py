"""/v1/keys: what programs sign in with. The text of a key is in the answer that makes it, and never again."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Status
from pydantic import Field

from optsync.access import keys
from optsync.access.keys import DAYS_MAX, NAME_LENGTH_MAX, Key, Scope
from optsync.api.cursors import Cursor, Limit, cut, number_in
from optsync.api.door import ApiKey, caller_of
from optsync.api.idempotency import DOCUMENTED, made_once
from optsync.api.problems import Refusal
from optsync.api.shapes import NOT_BLANK, WHOLE, Asked, Told
from optsync.config.desk import desk

router = Router()
INT_MAX: Final = 2**31 - 1
Handle = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="The middle of the key's text.")]

Days = Annotated[int, Field(ge=1, le=DAYS_MAX), WHOLE]


class ListedKey(Told):
    """A key without its secret."""

    handle: str = Field(description="The public part of the key's text: names it here and on the pages.")
    name: str = Field(description="The program that uses it.", examples=["crm sender"])
    scopes: list[Scope]
    state: Literal["active", "expired", "revoked"]
    made_at: datetime
    made_by: str
    expires_at: datetime | None = Field(description="Null = never.")
    last_used_at: datetime | None = Field(description="Exact to the hour; null = never.")


class Keys(Told):
    """A page of them, the newest first; revoked and expired ones stay."""

    keys: list[ListedKey]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class NewKey(Asked):
    """A key to be made."""

    name: str = Field(
        min_length=1,
        max_length=NAME_LENGTH_MAX,
        pattern=NOT_BLANK,
        description="The program that will use it.",
        examples=["crm sender"],
    )
    scopes: list[Scope] = Field(min_length=1, max_length=4, description="What it may do; check is enough for a sender.")
    days: Days | None = Field(None, description="Expires after so many days; null = never.", examples=[90])


class MadeKey(ListedKey):
    """A new key with its text."""

    key: str | None = Field(
        description="The key itself, to be stored now. Null when an Idempotency-Key repeats the answer.",
        examples=["os_live_4f1c2a9be07d_Q2hhbmdlLW1lLWJlZm9yZS15b3UtdXNlLW1lLXBsZWFzZQ"],
    )


@router.get("", auth=ApiKey("admin"), response=Keys)
def list_keys(request: HttpRequest, limit: Limit = 100, cursor: Cursor = "") -> Keys:
    """Every key there ever was, without its secret."""
    rows = keys.listing(desk().connection(), min(number_in(cursor, first=INT_MAX), INT_MAX), limit + 1)
    page, following = cut(rows, limit, "key_id")
    return Keys(keys=[ListedKey.model_validate(key) for key in page], next=following)


@router.post("", auth=ApiKey("admin"), response={201: MadeKey}, openapi_extra=DOCUMENTED)
def make_key(request: HttpRequest, new: NewKey) -> HttpResponse:
    """Makes a key. One that is made by a key with an end ends no later than that one."""
    caller, house = caller_of(request), desk()
    ends_at = caller.key.expires_at
    if ends_at is not None and (new.days is None or house.seams.now() + timedelta(days=new.days) > ends_at):
        raise Refusal("beyond-own-key", f"the key {caller.key.handle} ends itself at {ends_at:%Y-%m-%d %H:%M} UTC")

    def make() -> tuple[int, MadeKey]:
        return 201, with_text(
            *keys.make(
                house.connection(),
                house.subject_key,
                house.seams.token_bytes,
                new.name.strip(),
                new.scopes,
                days=new.days,
                actor=caller.actor,
            )
        )

    return made_once(request, make, secret="key")  # noqa: S106 - the name of a field


@router.post("/{handle}/rotate", auth=ApiKey("admin"), response={201: MadeKey}, openapi_extra=DOCUMENTED)
def rotate_key(request: HttpRequest, handle: Handle) -> HttpResponse:
    """Makes a key that may do the same, for as long; the one before works for 24 more hours.

    What a key with an end makes ends no later than that one.
    """
    caller, house = caller_of(request), desk()

    def rotate() -> tuple[int, MadeKey]:
        made = keys.rotate(
            house.connection(),
            house.subject_key,
            house.seams.token_bytes,
            handle,
            actor=caller.actor,
            not_after=caller.key.expires_at,
        )
        if made is None:
            raise nothing_opened(handle)
        return 201, with_text(*made)

    return made_once(request, rotate, secret="key")  # noqa: S106 - the name of a field


@router.delete("/{handle}", auth=ApiKey("admin"), response={204: None})
def revoke_key(request: HttpRequest, handle: Handle) -> Status[None]:
    """Ends a key from now on, also the one that asks."""
    if not keys.revoke(desk().connection(), handle, actor=caller_of(request).actor):
        raise nothing_opened(handle)
    return Status(204, None)


def with_text(key: Key, text: str) -> MadeKey:
    """A key as its maker sees it, once."""
    return MadeKey(**ListedKey.model_validate(key).model_dump(), key=text)


def nothing_opened(handle: str) -> Refusal:
    """There is no such key any more."""
    return Refusal("not-found", f"no key {handle} opens anything", next="See GET /v1/keys for those there are.")
