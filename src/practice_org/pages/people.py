"""Leads and Contacts: find them by address, id or name, see their opt-out boxes and tick them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org import human
from practice_org.errors import RefusalError
from practice_org.org import Org
from practice_org.pages.site import Form, Site
from practice_org.records import Table
from practice_org.schema import EMAIL_OPT_OUT, PACKAGE_LABEL

SHOWN_MAX = 25
SHOWN_UNASKED = 8
NAMES_SEARCHED = 2_000
"""Changed records, and generated ones, of each object whose names are searched: each has to be computed first."""


@dataclass(frozen=True)
class Box:
    """One opt-out checkbox of a record."""

    name: str
    label: str
    ticked: bool


@dataclass(frozen=True)
class Card:
    """A record as the pages show it."""

    id: str
    type: str
    name: str
    email: str
    company: str
    deleted: bool
    merged_into: str
    converted_to: str
    changed_at: str
    boxes: list[Box]


def routes(site: Site) -> list[Route]:
    """The first page, and the forms of its boxes."""

    def show(request: Request, problem: str) -> Response:
        asked = request.query_params.get("q", "").strip()
        cards = [card_of(site.org, table, number) for table, number in _found(site.org, asked)]
        counts = {name: table.count for name, table in site.org.tables.items()}
        return site.render(
            request,
            "people",
            "people",
            problem=problem,
            asked=asked,
            cards=cards,
            counts=counts,
            scanned=NAMES_SEARCHED,
        )

    def act(request: Request, form: Form) -> str:
        save_boxes(site.org, form)
        return "/practice?" + urlencode({"q": form.get("q", ""), "done": "saved"})

    return [site.route("/practice", show, act)]


def save_boxes(org: Org, form: Form) -> None:
    """A person's edit of the boxes. Raises RefusalError."""
    table, _ = human.locate(org, form.get("id", ""))
    human.edit(org, form["id"], {name: name in form for name in org.opt_out_fields(table.name)})


def card_of(org: Org, table: Table, number: int) -> Card:
    """What the pages show of a record."""

    def text(name: str) -> str:
        return str(table.value(number, name) or "")

    boxes = [
        Box(name, "Email Opt Out" if name == EMAIL_OPT_OUT else PACKAGE_LABEL, bool(table.value(number, name)))
        for name in org.opt_out_fields(table.name)
    ]
    is_lead = table.name == "Lead"
    return Card(
        id=table.id_of(number),
        type=table.name,
        name=text("Name"),
        email=text("Email"),
        company=text("Company") if is_lead else "",
        deleted=number in table.deleted,
        merged_into=text("MasterRecordId"),
        converted_to=text("ConvertedContactId") if is_lead else "",
        changed_at=text("SystemModstamp").replace("T", " ").partition(".")[0],
        boxes=boxes,
    )


def _found(org: Org, asked: str) -> list[tuple[Table, int]]:
    if not asked:
        return _unasked(org)
    if "@" in asked:
        found = ((table, number) for table in org.tables.values() for number in table.find(asked))
        return list(islice(found, SHOWN_MAX))
    try:
        return [human.locate(org, asked)]
    except RefusalError:
        return list(islice(_named(org, asked.lower()), SHOWN_MAX))


def _named(org: Org, part: str) -> Iterator[tuple[Table, int]]:
    for table in org.tables.values():
        for number in dict.fromkeys([*_changed(table), *islice(table.numbers(binned=True), NAMES_SEARCHED)]):
            if part in str(table.value(number, "Name")).lower():
                yield table, number


def _changed(table: Table) -> Iterator[int]:
    """The records that were changed, the latest to be changed at all first; so many that a page stays quick."""
    return islice(reversed(table.changes), NAMES_SEARCHED)


def _unasked(org: Org) -> list[tuple[Table, int]]:
    """The records that were changed last, then the first generated ones."""
    changed = [(table, number) for table in org.tables.values() for number in _changed(table)]
    changed.sort(key=lambda one: str(one[0].value(one[1], "SystemModstamp")), reverse=True)
    first = [(table, number) for table in org.tables.values() for number in islice(table.numbers(), SHOWN_UNASKED // 2)]
    return [*changed[:SHOWN_UNASKED], *(one for one in first if one not in changed[:SHOWN_UNASKED])][:SHOWN_UNASKED]
