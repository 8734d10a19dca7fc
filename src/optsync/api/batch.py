"""/v1/unsubscribes:batch: up to 10,000 at once, each with its own result."""

from typing import Annotated, Final, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from optsync.api.door import ApiKey, caller_of
from optsync.api.idempotency import DOCUMENTED, once
from optsync.api.shapes import ADDRESS_LENGTH_MAX, Asked, Told
from optsync.api.unsubscribes import Source
from optsync.config.desk import desk
from optsync.ledger import acts, batches
from optsync.ledger.batches import Wanted

router = Router()
ROWS_MAX: Final = 10_000
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
NO_ADDRESS: Final = "this is not an e-mail address: it has no @"
Typed = Annotated[str, Field(max_length=ADDRESS_LENGTH_MAX, description="An e-mail address, as typed.")]


class BatchRow(Asked):
    """One of them."""

    address: Typed = Field(examples=["ann@example.com"])
    source: Source = Field("api", description="Where it came from.")
    reason: str | None = Field(None, max_length=1_000, description="In the person's own words; kept as evidence.")
    message_id: str | None = Field(None, max_length=998, description="The message it answers; kept as evidence.")


class NewUnsubscribes(Asked):
    """Who must not be mailed any more."""

    unsubscribes: list[BatchRow] = Field(min_length=1, max_length=ROWS_MAX)


class RowResult(Told):
    """What came of one row."""

    id: int | None = Field(description="The number of the person; null when refused.")
    outcome: Literal["new", "already", "again", "refused"]
    why: str = Field(description="Why it was refused; empty otherwise.")


class BatchResults(Told):
    """One result for each row, in the same order. What is not refused is committed."""

    recorded: int = Field(description="New ones, and those that were unsubscribed again.")
    already: int
    refused: int
    hold_id: int | None = Field(
        description="So many within an hour, in one call or in slices, are held: all are blocked, the boxes of this "
        "call wait for a decision."
    )
    results: list[RowResult]


@router.post("", auth=ApiKey("write", body_bytes_max=BODY_BYTES_MAX), response=BatchResults, openapi_extra=DOCUMENTED)
def record_unsubscribes(request: HttpRequest, batch: NewUnsubscribes) -> HttpResponse:
    """Records up to 10,000. A row that is no address is refused alone; the others are recorded."""
    return once(request, lambda: record(batch.unsubscribes, caller_of(request).actor))


def record(rows: list[BatchRow], actor: str) -> tuple[int, BatchResults]:
    """Status and body; without addresses, because the body may be kept (see idempotency)."""
    good = [place for place, row in enumerate(rows) if "@" in row.address]
    results = [RowResult(id=None, outcome="refused", why=NO_ADDRESS) for _ in rows]
    hold_id = None
    if good:
        conn, key = desk().connection(), desk().subject_key
        act = acts.begin(conn, batches.origin_of(actor), len(good))
        given = [wanted(rows[place]) for place in good]
        done = batches.opt_out_all(conn, key, given, actor=actor, earlier=act.earlier)
        acts.settle(conn, act, done.changed)
        hold_id = done.hold_id
        for place, one in zip(good, done.recorded, strict=True):
            results[place] = RowResult(id=one.address_id, outcome=one.outcome, why="")
    outcomes = [result.outcome for result in results]
    already, refused = outcomes.count("already"), outcomes.count("refused")
    recorded = len(rows) - already - refused
    return 200, BatchResults(recorded=recorded, already=already, refused=refused, hold_id=hold_id, results=results)


def wanted(row: BatchRow) -> Wanted:
    """A row as the ledger takes it."""
    evidence = {"message": row.message_id} if row.message_id else None
    return Wanted(row.address, row.source, row.reason, evidence)
