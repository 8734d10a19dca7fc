"""A converted or merged record hands its opt-out over to what it became; a deleted one is forgotten (rules 4).

The Contact of a Person Account counts as converted into its Account.

Resolved before writing: some orgs accept a write on a converted Lead, where nobody would ever see it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from optsync.core.record_ids import kind_of, to_18
from optsync.ledger import people
from optsync.ledger.people import Link
from optsync.salesforce import query
from optsync.sync import records
from optsync.sync.line import Line
from optsync.sync.records import Row

MAX_HOPS: Final = 10
"""Merges of merges of conversions end somewhere; a longer chain is left to a person."""


@dataclass(slots=True)
class Followed:
    """What became of records: handed over, forgotten as deleted, still themselves, or out of our sight."""

    handed_over: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    out_of_sight: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Chain:
    """From one record along its successors: where it has come to, and what stands at its end."""

    at: str
    end: Row | None = None
    is_deleted: bool = False
    is_over: bool = False


def follow(line: Line, record_ids: Iterable[str], converted: Sequence[Row] = ()) -> Followed:
    """Finds what these records became and hands their links, marks and opt-outs over. Raises SalesforceError.

    `converted` are records that were just read as such; `record_ids` are looked up from the start. A record that
    Salesforce does not show at all is left alone and named: it may be hidden from us rather than gone.
    """
    chains = {record_id: _Chain(record_id) for record_id in record_ids}
    chains |= {row.record_id: _Chain(row.converted_to or row.record_id) for row in converted}
    for _ in range(MAX_HOPS):
        open_chains = [chain for chain in chains.values() if not chain.is_over]
        if not open_chains:
            break
        _go_on(line, open_chains)
    return _settle(line, chains, {row.record_id for row in converted})


def _go_on(line: Line, chains: Sequence[_Chain]) -> None:
    """One hop: along a conversion where the record shows it, along a merge where it is gone."""
    rows: dict[str, Row | None] = {}
    for _, found in records.by_id(line.session, sorted({chain.at for chain in chains}), ()):
        rows |= found
    masters = _masters(line, [record_id for record_id, row in rows.items() if row is None])
    for chain in chains:
        row = rows.get(chain.at)
        if row is not None and not row.is_converted:
            chain.end, chain.is_over = row, True
        elif row is not None and row.converted_to:
            chain.at = row.converted_to
        elif row is None and masters.get(chain.at):
            chain.at = str(masters[chain.at])
        else:
            chain.is_deleted, chain.is_over = row is None and chain.at in masters, True


def _masters(line: Line, missing: Sequence[str]) -> dict[str, str | None]:
    """Of records that are gone: the one they were merged into, None for a deleted one; the others Salesforce hides."""
    found: dict[str, str | None] = {}
    for kind in sorted({kind_of(record_id) or "" for record_id in missing} - {""}):
        ids = [record_id for record_id in missing if kind_of(record_id) == kind]
        prefix = f"SELECT Id, MasterRecordId FROM {kind} WHERE IsDeleted = true AND Id IN ("
        for soql, _ in query.in_batches(prefix, ids, ")", literal=query.quote_id):
            for values in query.rows(line.session, soql, all_rows=True):
                master = values.get("MasterRecordId")
                found[to_18(str(values["Id"]))] = to_18(str(master)) if master else None
    return found


def _settle(line: Line, chains: dict[str, _Chain], converted: set[str]) -> Followed:
    followed = Followed()
    for record_id, chain in chains.items():
        if chain.end is not None and chain.end.record_id == record_id:
            followed.unchanged.append(record_id)
        elif chain.end is not None:
            link = Link(chain.end.record_id, chain.end.kind, chain.end.email)
            became_contact = record_id in converted or chain.end.kind != kind_of(record_id)
            people.follow(line.conn, line.subject_key, line.org_id, record_id, link, "c" if became_contact else "m")
            followed.handed_over.append(record_id)
        elif chain.is_deleted:
            people.forget(line.conn, line.subject_key, line.org_id, record_id)
            followed.deleted.append(record_id)
        else:
            followed.out_of_sight.append(record_id)
    return followed
