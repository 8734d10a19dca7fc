"""The layouts that mail tools and Salesforce export, and what each row of them says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain
from types import MappingProxyType
from typing import Literal, NamedTuple

from optsync.core.addresses import is_address, normalize, without_addresses
from optsync.core.compliance import FIELDS, BadCompliance, Change, read_change
from optsync.core.problems import Problem
from optsync.core.record_ids import BadRecordId, Kind, kind_of, to_18
from optsync.core.told import told
from optsync.ledger.files import Row, plain_cell

Purpose = Literal["opt-outs", "people"]
TRUE_WORDS = frozenset({"true", "yes", "1", "y", "x", "wahr", "ja", "vrai", "oui", "verdadero", "si", "sí"})
ID_COLUMNS = ("salesforce contact id", "salesforce lead id", "contact id", "lead id")
"""Columns that name a Salesforce record in any layout; the Contact of a converted Lead comes first."""

ADDRESS_WORDS = ("email", "e-mail", "email address", "e-mail address", "address", "mail")
COMPLIANCE_WORDS: Mapping[str, tuple[str, ...]] = {
    "authorization_type": ("authorization_type", "authorization type", "authorization"),
    "authorization_note": ("authorization_note", "authorization note"),
    "consent_date": ("consent_date", "consent date", "date of consent"),
    "consent_purpose": ("consent_purpose", "consent purpose", "purpose of processing"),
    "source_type": ("source_type", "source type"),
    "source_note": ("source_note", "source note"),
}
"""How the columns of compliance data are called in any table of people."""

REJECT_COLUMNS = ("optsync_row", "optsync_reason")
"""The columns we add to rejected rows; they are passed over when the repaired file is imported."""

COLUMN_CHARS_MAX = 100
UNIX_SECONDS = range(10**8, 10**10)


NOTHING: Mapping[str, str] = MappingProxyType({})


class Parsed(NamedTuple):
    """What one row says. `problem` keeps the row out; `note` goes to the rejects too, but the opt-out is recorded.

    `skipped` rows say that nobody opted out. `evidence` is kept with the event: the original time, campaign and so on.
    """

    normal: str = ""
    record_id: str | None = None
    kind: Kind | None = None
    reason: str | None = None
    evidence: Mapping[str, str] = NOTHING
    problem: str = ""
    note: str = ""
    skipped: bool = False
    change: Change | None = None
    """What it says about compliance data."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One exported layout. A column is named by its header in small letters; the first one present counts.

    `flags` are the columns of which one must be true for a row to be an opt-out; `ids` name the Salesforce record.
    `exact` layouts have words so common that other columns beside them mean another list, of bounces or of customers.
    In `our_own` file an odd address stands as a person gave it, and is taken back as it is.
    """

    name: str
    purpose: Purpose
    needs: tuple[str, ...]
    address: tuple[str, ...]
    at: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    ids: tuple[str, ...] = ID_COLUMNS
    only_tag: tuple[str, ...] = ()
    exact: bool = False
    our_own: bool = False

    def fits(self, header: Sequence[str]) -> bool:
        """Whether a file with these columns, in small letters, is written in this layout."""
        known = {*self.needs, *self.at, *self.only_tag, *REJECT_COLUMNS, ""}
        return set(self.needs) <= set(header) and not (self.exact and set(header) - known)


LAYOUTS = (
    Layout(
        "Mailchimp unsubscribed",
        "opt-outs",
        needs=("unsub_time",),
        address=ADDRESS_WORDS,
        at=("unsub_time",),
        reasons=("unsub_reason", "unsub_reason_other"),
        kept=("unsub_campaign_title", "unsub_campaign", "unsub_campaign_id"),
    ),
    Layout(
        "HubSpot contacts",
        "opt-outs",
        needs=("email", "unsubscribed from all email"),
        address=("email",),
        flags=("unsubscribed from all email",),
    ),
    Layout(
        "HubSpot contacts",
        "opt-outs",
        needs=("email", "hs_email_optout"),
        address=("email",),
        flags=("hs_email_optout",),
    ),
    Layout(
        "HubSpot unsubscribes",
        "opt-outs",
        needs=("email", "portal unsubscribe"),
        address=("email",),
        flags=("portal unsubscribe", "portal spam report"),
    ),
    Layout("SendGrid", "opt-outs", needs=("email", "created"), address=("email",), at=("created",), exact=True),
    Layout(
        "Mailgun",
        "opt-outs",
        needs=("address", "created_at"),
        address=("address",),
        at=("created_at",),
        only_tag=("tags", "tag"),
        exact=True,
    ),
    Layout(
        "optsync export",
        "opt-outs",
        needs=("address", "since", "source"),
        address=("address",),
        at=("since",),
        kept=("source",),
        exact=True,
        our_own=True,
    ),
    Layout(
        "optsync people",
        "people",
        needs=("address", "unsubscribed", *COMPLIANCE_WORDS),
        address=("address",),
        our_own=True,
    ),
    Layout(
        "optsync ids",
        "people",
        needs=("address", "object", "record_id"),
        address=("address",),
        ids=("record_id",),
        our_own=True,
    ),
    Layout("Salesforce report", "people", needs=("email", "contact id"), address=("email",)),
    Layout("Salesforce report", "people", needs=("email", "lead id"), address=("email",)),
    Layout("Salesforce Data Loader", "people", needs=("email", "id"), address=("email",), ids=("id",)),
)
PLAIN_LIST = Layout("plain list", "opt-outs", needs=(), address=())
WITH_IDS = Layout("Salesforce ids", "people", needs=(), address=())
"""Any other table whose rows hold an address and the id of a Lead or Contact, whatever language its header is in."""

WITH_COMPLIANCE = Layout("compliance data", "people", needs=(), address=ADDRESS_WORDS)
"""A table whose header names columns of compliance data."""

OWN_COLUMNS = "own columns"
COLUMN_NAMES = ("address", "record_id", "at", "reason", *FIELDS)
"""What a column of a person's own table may hold."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A layout bound to the columns of one file; `header` is empty for a list without one."""

    layout: Layout
    header: tuple[str, ...]
    address: int
    at: int | None = None
    reasons: tuple[int, ...] = ()
    kept: tuple[tuple[str, int], ...] = ()
    flags: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()
    only_tag: int | None = None
    compliance: tuple[tuple[str, int], ...] = ()
    latest_day: date = date.max
    """The last day on which a consent can have been given."""

    def parse_row(self, row: Row) -> Parsed:
        """What one row of a file says; never raises."""
        return Parsed(problem=row.problem) if row.problem else self.parse(row.cells)

    def parse(self, cells: Sequence[str]) -> Parsed:
        """What one row says; never raises."""
        if len(cells) == 1 and len(self.header) > 1 and self.layout.purpose == "people":
            return Parsed(skipped=True)  # the lines below a Salesforce report: its name, its copyright
        if self.flags and not any(_cell(cells, flag).lower() in TRUE_WORDS for flag in self.flags):
            return Parsed(skipped=True)
        if not self.header and any(cell.strip() for column, cell in enumerate(cells) if column != self.address):
            return Parsed(problem="more than an address on its line")
        given = _cell(cells, self.address)
        normal = normalize(given)
        if not is_address(normal) and not (self.layout.our_own and "@" in normal):
            return Parsed(problem="no e-mail address" if not given else "not an e-mail address")
        if self.only_tag is not None and _cell(cells, self.only_tag) not in ("", "*"):
            return Parsed(problem="unsubscribed from one tag only, not from all mail")
        record_id, kind, trouble = self._record(cells)
        if self.layout.purpose == "people":
            return self._person(cells, Parsed(normal, record_id, kind, problem=trouble))
        note = f"recorded, but not linked: {trouble}" if trouble else ""
        return Parsed(normal, record_id, kind, self._reason(cells), self._evidence(cells), note=note)

    def _person(self, cells: Sequence[str], found: Parsed) -> Parsed:
        """With what the row says about compliance data; one that says nothing about the person is passed over."""
        try:
            change = read_change({name: _cell(cells, column) for name, column in self.compliance}, self.latest_day)
        except BadCompliance as error:
            return found._replace(problem=found.problem or str(error))
        if found.problem or found.record_id or change:
            return found._replace(change=change)
        return Parsed(skipped=True) if self.compliance else found._replace(problem="no Salesforce id")

    def _record(self, cells: Sequence[str]) -> tuple[str | None, Kind | None, str]:
        if not self.ids:
            return None, None, ""
        given = next((cell for column in self.ids if (cell := _cell(cells, column))), "")
        if not given:
            return None, None, ""
        try:
            record_id = to_18(given)
        except BadRecordId as error:
            return None, None, str(error)
        kind = kind_of(record_id)
        if kind is None:
            return None, None, "the id is of another object than Lead, Contact or Account"
        return record_id, kind, ""

    def _reason(self, cells: Sequence[str]) -> str | None:
        if not self.reasons:
            return None
        said = [cell for column in self.reasons if (cell := _cell(cells, column))]
        return ": ".join(said) or None

    def _evidence(self, cells: Sequence[str]) -> dict[str, str]:
        kept = {name: cell for name, column in self.kept if (cell := _cell(cells, column))}
        if self.at is not None and (when := _cell(cells, self.at)):
            kept["unsubscribed_at"] = instant_of(when)
        return kept


@dataclass(frozen=True, slots=True)
class Columns:
    """What a person says about a file whose layout is not known: what its rows mean, and which column holds what.

    Columns are counted from 0. Rows of people need a column with ids to be linked, or one of `compliance` data.
    """

    purpose: Purpose
    address: int
    record_id: int | None = None
    at: int | None = None
    reason: int | None = None
    has_header: bool = True
    compliance: Mapping[str, int] = field(default_factory=dict)

    def reader(self, first_row: Sequence[str], file_name: str) -> Reader:
        """Bound to a file by its first row. Raises Problem when a column is not there, or the ids are nowhere."""
        chosen = [self.address, self.record_id, self.at, self.reason, *self.compliance.values()]
        if any(column is not None and not 0 <= column < len(first_row) for column in chosen):
            raise Problem(
                told("%(file)s has no such column", file=file_name),
                told("it has %(count)s; nothing was imported", count=len(first_row)),
                told("choose columns that the first row has"),
                2,
            )
        if self.purpose == "people" and self.record_id is None and not self.compliance:
            raise Problem(
                told("neither a column with Salesforce ids nor one with compliance data was chosen"),
                told("there is nothing to link and nothing to record; nothing was imported"),
                told("choose the column that holds the ids, the authorization type or the source type"),
                2,
            )
        names = first_row if self.has_header else [f"column {number + 1}" for number in range(len(first_row))]
        return Reader(
            Layout(OWN_COLUMNS, self.purpose, needs=(), address=()),
            tuple(names),
            self.address,
            at=self.at,
            reasons=() if self.reason is None else (self.reason,),
            ids=() if self.record_id is None else (self.record_id,),
            compliance=tuple(self.compliance.items()) if self.purpose == "people" else (),
        )


def columns_by_name(first_row: Sequence[str], purpose: Purpose, named: Mapping[str, str], file_name: str) -> Columns:
    """The columns of a table by what its first row calls them, or by their number from 1. Raises Problem.

    `named` says for each of COLUMN_NAMES that there is which column holds it; the address is needed.
    """
    unknown = next((name for name in named if name not in COLUMN_NAMES), "")
    if unknown or "address" not in named:
        no_address = told("no column is said to hold the address")
        raise Problem(
            told("no column can hold %(name)s", name=without_addresses(unknown)) if unknown else no_address,
            told("we cannot tell what the columns of %(file)s mean; nothing was imported", file=file_name),
            told("say which one holds address, and any of %(names)s", names=", ".join(COLUMN_NAMES[1:])),
            2,
        )
    header = [cell.strip().lower() for cell in first_row]
    places = {name: _place_of(column, header, file_name) for name, column in named.items()}
    return Columns(
        purpose,
        places["address"],
        places.get("record_id"),
        places.get("at"),
        places.get("reason"),
        has_header=not is_address(normalize(plain_cell(first_row[places["address"]]))),
        compliance={name: place for name, place in places.items() if name in FIELDS},
    )


def _place_of(column: str, header: list[str], file_name: str) -> int:
    wanted = column.strip().lower()
    if wanted in header:
        return header.index(wanted)
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 6 and 1 <= int(wanted) <= len(header):
        return int(wanted) - 1
    raise Problem(
        told("%(file)s has no column %(column)s", file=file_name, column=without_addresses(column)[:COLUMN_CHARS_MAX]),
        told("it has %(count)s; nothing was imported", count=len(header)),
        told("name a column as the first row does, or by its number from 1"),
        2,
    )


def instant_of(text: str) -> str:
    """Unix seconds as ISO 8601 in UTC; any other wording as it was given, since only its author knows its zone."""
    if text.isascii() and text.isdigit() and int(text) in UNIX_SECONDS:
        return datetime.fromtimestamp(int(text), UTC).isoformat().replace("+00:00", "Z")
    return text


def guess(first_row: Sequence[str], second_row: Sequence[str], file_name: str) -> Reader:
    """The layout of a file by its first two rows. Raises Problem when it is no layout we know."""
    if addresses := _address_columns(first_row):
        if any(cell.strip() for column, cell in enumerate(first_row) if column != addresses[0]):
            raise _without_header(file_name, len(addresses))
        return Reader(PLAIN_LIST, (), addresses[0])
    header = [cell.strip().lower() for cell in first_row]
    for layout in LAYOUTS:
        if layout.fits(header) and (reader := _bind(layout, tuple(first_row), header, second_row)):
            return reader
    if _compliance_columns(header) and (reader := _bind(WITH_COMPLIANCE, tuple(first_row), header, second_row)):
        return reader
    named = [name for name in header if name and name not in REJECT_COLUMNS]
    if len(named) == 1 and named[0] in ADDRESS_WORDS:
        return Reader(PLAIN_LIST, tuple(first_row), header.index(named[0]))
    if len(first_row) == 1 and (addresses := _address_columns(second_row)):
        return Reader(PLAIN_LIST, (), addresses[0])  # a list that begins with something else: that row is rejected
    if (addresses := _address_columns(second_row)) and (ids := _id_columns(second_row)):
        return Reader(WITH_IDS, tuple(first_row), addresses[0], ids=ids)
    raise _unknown(file_name, header)


def _address_columns(cells: Sequence[str]) -> list[int]:
    return [column for column, cell in enumerate(cells) if is_address(normalize(plain_cell(cell)))]


def _id_columns(cells: Sequence[str]) -> tuple[int, ...]:
    def names_a_record(cell: str) -> bool:
        try:
            return kind_of(to_18(cell)) in ("Lead", "Contact")
        except BadRecordId:
            return False

    return tuple(column for column, cell in enumerate(cells) if names_a_record(cell))


def _compliance_columns(header: list[str]) -> tuple[tuple[str, int], ...]:
    """The columns of compliance data by our names; the first one of a name counts."""
    found = {}
    for name, words in COMPLIANCE_WORDS.items():
        if place := [header.index(word) for word in words if word in header]:
            found[name] = place[0]
    return tuple(found.items())


def _bind(layout: Layout, first_row: tuple[str, ...], header: list[str], second_row: Sequence[str]) -> Reader | None:
    """The layout with its columns; None without a column of addresses, which may carry a label of the owner's own."""
    labelled = (header.index(name) for name in layout.address if name in header)
    address = next(chain(labelled, _address_columns(second_row)), None)
    if address is None:
        return None

    def places(names: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(header.index(name) for name in names if name in header)

    def first(names: tuple[str, ...]) -> int | None:
        return next(iter(places(names)), None)

    return Reader(
        layout,
        first_row,
        address,
        first(layout.at),
        places(layout.reasons),
        tuple((name, header.index(name)) for name in layout.kept if name in header),
        places(layout.flags),
        places(layout.ids),
        first(layout.only_tag),
        compliance=_compliance_columns(header) if layout.purpose == "people" else (),
    )


def _without_header(file_name: str, addresses: int) -> Problem:
    if addresses > 1:
        return Problem(
            told("%(file)s has several addresses on one line", file=file_name),
            told("we would have to guess who is meant; nothing was imported"),
            told("put one address on each line"),
        )
    return Problem(
        told("%(file)s has several columns and no header", file=file_name),
        told("we cannot tell whether its people unsubscribed; nothing was imported"),
        told("export it with its header row, or keep one column: the addresses"),
    )


def _unknown(file_name: str, header: list[str]) -> Problem:
    if {"email", "created", "reason"} <= set(header) or {"address", "created_at", "error"} <= set(header):
        return Problem(
            told("%(file)s lists bounced or blocked messages, not unsubscribed people", file=file_name),
            told("nobody was opted out: a full mailbox is no wish"),
            told("export the unsubscribes; if these people shall be opted out too, keep one column: the addresses"),
        )
    if "email address" in header and "optin_time" in header:
        return Problem(
            told("%(file)s lists subscribed or cleaned people of Mailchimp, not unsubscribed ones", file=file_name),
            told("nobody was opted out"),
            told("import the file that Mailchimp names unsubscribed_...csv"),
        )
    return Problem(
        told("%(file)s has no layout we know", file=file_name),
        told("we cannot tell whether its people unsubscribed; nothing was imported"),
        told("export it from Mailchimp, SendGrid, Mailgun, HubSpot or Salesforce, or keep one column: the addresses"),
    )


def _cell(cells: Sequence[str], column: int) -> str:
    if column >= len(cells):
        return ""
    cell = cells[column].strip()
    return plain_cell(cell) if cell.startswith("'") else cell
