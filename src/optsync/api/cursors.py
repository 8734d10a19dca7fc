"""Pages of a list: an opaque cursor says after which number the next one begins. No totals, no page numbers."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from ninja import Query

from optsync.api.problems import Refusal

LIMIT_MAX: Final = 1_000
NUMBER_MAX: Final = 2**63 - 1
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many at most.")]
Cursor = Annotated[str, Query(max_length=100, description="`next` of the page before; empty for the first page.")]
Row = TypeVar("Row")


def cursor_after(number: int) -> str:
    """A cursor behind this number."""
    return urlsafe_b64encode(b"after " + str(number).encode()).rstrip(b"=").decode()


def number_in(cursor: str, first: int) -> int:
    """The number in a cursor; `first` for the first page. Raises Refusal for a text that is no cursor of ours."""
    if not cursor:
        return first
    try:
        word, number = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii").split(" ")
        if word == "after" and number.isdigit() and int(number) <= NUMBER_MAX:
            return int(number)
    except ValueError:
        pass
    next_step = "Take the cursor from `next` of the page before, unchanged."
    raise Refusal("not-found", "no page has this cursor", next=next_step)


def cut(rows: Sequence[Row], limit: int, number: str) -> tuple[Sequence[Row], str | None]:
    """A page of rows and the next cursor, from one row more than the page takes; None on the last page."""
    page = rows[:limit]
    return page, cursor_after(getattr(page[-1], number)) if len(rows) > limit else None
