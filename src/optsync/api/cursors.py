"""Pages of a list: an opaque cursor says after which number or name the next one begins. No page numbers,
and totals only for who asks (/v1/unsubscribes?count=true)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from ninja import Query

from optsync.api.problems import Refusal

LIMIT_MAX: Final = 1_000
NUMBER_MAX: Final = 2**63 - 1
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many at most.")]
Cursor = Annotated[str, Query(max_length=500, description="`next` of the page before; empty for the first page.")]
Row = TypeVar("Row")


def cursor_after(place: int | str) -> str:
    """A cursor behind this number or name."""
    return urlsafe_b64encode(b"after " + str(place).encode()).rstrip(b"=").decode()


def number_in(cursor: str, first: int) -> int:
    """The number in a cursor; `first` for the first page. Raises Refusal for a text that is no cursor of ours."""
    number = name_in(cursor)
    if not cursor:
        return first
    if not (number.isascii() and number.isdigit()) or int(number) > NUMBER_MAX:
        raise no_cursor()
    return int(number)


def name_in(cursor: str) -> str:
    """The name in a cursor; empty for the first page. Raises Refusal for a text that is no cursor of ours."""
    if not cursor:
        return ""
    try:
        word, name = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode().split(" ")
    except ValueError:
        raise no_cursor() from None
    if word != "after" or not name:
        raise no_cursor()
    return name


def no_cursor() -> Refusal:
    """A text that is none of ours."""
    next_step = "Take the cursor from `next` of the page before, unchanged."
    return Refusal("not-found", "no page has this cursor", next=next_step)


def cut(rows: Sequence[Row], limit: int, place: str) -> tuple[Sequence[Row], str | None]:
    """A page of rows and the next cursor, from one row more than the page takes; None on the last page."""
    page = rows[:limit]
    return page, cursor_after(getattr(page[-1], place)) if len(rows) > limit else None
