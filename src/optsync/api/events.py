"""/v1/events: what happened, in an order in which nothing is ever inserted before what was read."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated, Any, Final

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from optsync.api.cursors import NUMBER_MAX, Limit
from optsync.api.door import ApiKey
from optsync.api.problems import Refusal
from optsync.api.shapes import Told
from optsync.config.desk import desk
from optsync.webhooks.reading import Place, newest_place, read_after
from optsync.webhooks.types import KIND_OF

router = Router()
NUMBERS_IN_A_CURSOR: Final = 2
Cursor = Annotated[
    str,
    Query(max_length=100, description="`next` of the page before; empty = from the first event, `now` = from now on."),
]
TYPES: Final = "|".join(map(re.escape, KIND_OF))
Type = Annotated[str, Query(pattern=f"^({TYPES})?$", description="Only events of this type; empty = of every type.")]


class Event(Told):
    """One event, as a webhook tells it."""

    id: str = Field(examples=["evt_4711"])
    type: str = Field(examples=["unsubscribe.created"])
    timestamp: datetime
    data: dict[str, Any]


class Events(Told):
    """A page of them, the oldest first."""

    events: list[Event]
    next: str = Field(description="Where to go on, also after the last page: ask again later.")


@router.get("", auth=ApiKey("read"), response=Events)
def list_events(request: HttpRequest, limit: Limit = 100, cursor: Cursor = "", type: Type = "") -> Events:  # noqa: A002
    """Every event, or those of one type. A page without events whose `next` has changed is not the last one."""
    conn = desk().connection()
    place = newest_place(conn) if cursor == "now" else place_in(cursor)
    found, following = read_after(conn, desk().subject_key, place, [type] if type else list(KIND_OF), limit)
    events = [Event(id=one.id, type=one.type, timestamp=one.at, data=dict(one.data)) for one in found]
    return Events(events=events, next=cursor_at(following))


def cursor_at(place: Place) -> str:
    """A cursor behind this place."""
    return urlsafe_b64encode(f"{place.seal_no} {place.event_id}".encode()).rstrip(b"=").decode()


def place_in(cursor: str) -> Place:
    """The place in a cursor; the start for the first page. Raises Refusal for a text that is no cursor of ours."""
    if not cursor:
        return Place()
    try:
        words = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii").split(" ")
        numbers = [int(word) for word in words if word.isdigit()]
        if len(words) == len(numbers) == NUMBERS_IN_A_CURSOR and max(numbers) <= NUMBER_MAX:
            return Place(*numbers)
    except ValueError:
        pass
    next_step = "Take the cursor from `next` of the page before, unchanged."
    raise Refusal("not-found", "no page has this cursor", next=next_step)
