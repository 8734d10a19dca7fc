"""Page layouts as trees: sections, columns, items (salesforce.md 5.9).

A tree is kept as its XML has it. What stands in it beside fields (related lists, the mini layout, actions) means
nothing here, but whoever writes a layout must send it back, or it is gone. Tooling shows some enumerations in a form
that it does not take back (`refused_by_tooling`): whoever drops them to get through drops them from the layout.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, unquote

from practice_org.access import FieldLevels, higher
from practice_org.catalog import Level
from practice_org.errors import RefusalError
from practice_org.ids import record_id
from practice_org.metadata_xml import DEPTH_MAX
from practice_org.schema import EMAIL_OPT_OUT, Field
from practice_org.set_up_schema import TOOLING_PREFIXES

Tree = dict[str, object]

BEHAVIOURS: dict[str, Level] = {"Edit": "edit", "Required": "edit", "Readonly": "read"}
"""What each lets the people do who have the layout."""

_LISTS = ("customButtons", "excludeButtons", "headers", "layoutSections", "multilineLayoutFields", "relatedLists")
_NULLS = ("component", "customLink", "emptySpace", "page", "scontrol", "width")
_COMPONENTS = ("leftComponents", "rightComponents")
_INFORMATION = {
    "Lead": ("OwnerId", "Name", "Company", "Title", "Salutation", "Status", "LeadSource"),
    "Contact": ("OwnerId", "Name", "AccountId", "Title", "Salutation", "Department"),
}
_REACH = {
    "Lead": ("Phone", "Email", "DoNotCall", "FirstName", "Street", "City"),
    "Contact": ("Phone", "Email", "DoNotCall", "FirstName", "MailingStreet", "MailingCity"),
}
_DEFAULT = (
    ("Lead", "Lead Layout", False),
    ("Lead", "Lead (Marketing) Layout", True),
    ("Contact", "Contact Layout", True),
    ("Contact", "Contact (Sales) Layout", False),
)
"""Object, name, and whether Email Opt Out is on it; the first of an object is the one that profiles have."""


@dataclass
class Layout:
    """One layout. `tree` is replaced as a whole by whoever writes it."""

    id: str
    object_name: str
    name: str
    tree: Tree = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Lead-Lead Layout; brackets and the like are percent-encoded, blanks are not."""
        return f"{self.object_name}-{quote(self.name, safe=' ')}"

    def items(self) -> Iterator[tuple[str, str]]:
        """Every field on the layout and its behavior."""
        for item in items_of(self.tree):
            name = item.get("field")
            if isinstance(name, str):
                yield name, str(item.get("behavior"))

    def has(self, name: str) -> bool:
        """Whether the field is on the layout, whatever its behavior."""
        return any(shown == name for shown, _ in self.items())

    def put(self, name: str, behavior: str | None, fields: Mapping[str, Field]) -> None:
        """A person puts a field on the layout, or takes it off (None). Raises RefusalError for what is not there."""
        tree = deepcopy(self.tree)
        _take_off(tree, name)
        if behavior is not None:
            first = next(_columns_of(tree))
            cast("list[Tree]", first["layoutItems"]).append({"behavior": behavior, "field": name})
        self.tree = checked_tree(tree, fields, self.object_name)


class Layouts:
    """All layouts of an org, in their order."""

    def __init__(self) -> None:
        self.ordered = [
            Layout(record_id(TOOLING_PREFIXES["Layout"], number), object_name, name, _tree(object_name, with_box))
            for number, (object_name, name, with_box) in enumerate(_DEFAULT, 1)
        ]

    def add(self, object_name: str, name: str, *, feed: bool = False) -> Layout:
        """Another layout of Lead or Contact. Raises RefusalError for another object, or a name that is taken."""
        made = Layout(record_id(TOOLING_PREFIXES["Layout"], len(self.ordered) + 1), object_name, name)
        if object_name not in _REACH or not name.strip() or self.named(made.full_name) is not None:
            raise RefusalError("INVALID_FIELD", f"not a new layout of {' or '.join(_REACH)}: {made.full_name}")
        made.tree = _tree(object_name, with_box=False)
        if feed:
            made.tree["feedLayout"] = {
                "feedFilterPosition": "CenterDropDown",
                "rightComponents": [{"componentType": "Following"}],
            }
        self.ordered.append(made)
        return made

    def put(self, full_name: str, tree: Tree) -> None:
        """The layout of that full name has this tree from now on; a new one stands behind all others."""
        layout = self.named(full_name)
        if layout is None:
            object_name, _, name = full_name.partition("-")
            layout = Layout(record_id(TOOLING_PREFIXES["Layout"], len(self.ordered) + 1), object_name, unquote(name))
            self.ordered.append(layout)
        layout.tree = tree

    def named(self, full_name: str) -> Layout | None:
        """The layout with that full name."""
        return next((layout for layout in self.ordered if layout.full_name == full_name), None)

    def with_id(self, layout_id: str) -> Layout | None:
        """The layout with that id of 18 characters."""
        return next((layout for layout in self.ordered if layout.id == layout_id), None)

    def levels(self) -> FieldLevels:
        """What the layout of our user's profile leaves of each field, where layouts decide (salesforce.md 5.8)."""
        found: FieldLevels = {}
        for object_name in ("Lead", "Contact"):
            mine = next(layout for layout in self.ordered if layout.object_name == object_name)
            for name, behaviour in mine.items():
                level = BEHAVIOURS.get(behaviour, "read")
                found[object_name, name] = higher(level, found.get((object_name, name), "absent"))
        return found

    def remove_field(self, object_name: str, name: str) -> None:
        """A field was deleted: it leaves all layouts of its object."""
        for layout in self.ordered:
            if layout.object_name == object_name:
                for column in _columns_of(layout.tree):
                    column["layoutItems"] = [
                        item for item in _dicts(column, "layoutItems") if item.get("field") != name
                    ]


def checked_tree(tree: object, fields: Mapping[str, Field], object_name: str) -> Tree:
    """A tree that can be saved. Raises RefusalError for a field that is missing or stands on it twice."""
    if not isinstance(tree, dict):
        raise RefusalError("JSON_PARSER_ERROR", "Metadata must be an object")
    if _is_deeper(tree, DEPTH_MAX):
        raise RefusalError("JSON_PARSER_ERROR", f"Metadata is nested deeper than {DEPTH_MAX}")
    seen: set[str] = set()
    for item in items_of(tree):
        name = item.get("field")
        if not isinstance(name, str):
            continue
        if name.lower() not in fields:
            text = f"In field: field - no CustomField named {object_name}.{name} found"
            raise RefusalError("FIELD_INTEGRITY_EXCEPTION", text, fields=[])
        if name in seen:
            raise RefusalError("FIELD_INTEGRITY_EXCEPTION", f"Duplicate field: {name} in layout", fields=[])
        if item.get("behavior") not in BEHAVIOURS:
            raise RefusalError("INVALID_FIELD", f"behavior must be one of {', '.join(BEHAVIOURS)}", fields=[])
        seen.add(name)
    return cast("Tree", tree)


def as_tooling(tree: Tree) -> Tree:
    """The tree as Tooling shows it: with what is empty, and two enumerations in another form."""
    shown: Tree = {name: [] for name in _LISTS} | deepcopy(tree)
    for column in _columns_of(shown):
        column["layoutItems"] = [dict.fromkeys(_NULLS) | item for item in _dicts(column, "layoutItems")]
    summary, feed = shown.get("summaryLayout"), shown.get("feedLayout")
    if isinstance(summary, dict) and isinstance(summary.get("summaryLayoutStyle"), str):
        summary["summaryLayoutStyle"] = str(summary["summaryLayoutStyle"]).upper()
    if isinstance(feed, dict):
        for name in _COMPONENTS:
            feed[name] = [item.get("componentType") for item in _dicts(feed, name)]
    return shown


def from_tooling(tree: Tree) -> Tree:
    """What `as_tooling` shows, in the form of XML."""
    told = cast("Tree", _without_nulls(tree))
    summary, feed = told.get("summaryLayout"), told.get("feedLayout")
    if isinstance(summary, dict) and summary.get("summaryLayoutStyle") == "DEFAULT":
        summary["summaryLayoutStyle"] = "Default"
    if isinstance(feed, dict):
        for name in _COMPONENTS:
            values = feed.get(name)
            if isinstance(values, list):
                feed[name] = [{"componentType": one} if isinstance(one, str) else one for one in values]
    return told


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def refused_by_tooling(tree: Tree) -> str | None:
    """The first enumeration that Tooling does not take back; None when there is none (salesforce.md 5.9)."""
    for part, name in (("platformActionList", "actionListContext"), ("summaryLayout", "summaryLayoutStyle")):
        whole = tree.get(part)
        if isinstance(whole, dict) and isinstance(whole.get(name), str):
            return str(whole[name])
    feed = tree.get("feedLayout")
    for name in _COMPONENTS if isinstance(feed, dict) else ():
        values = cast("Tree", feed).get(name)
        for one in values if isinstance(values, list) else []:
            if isinstance(one, str):
                return one
    return None


def items_of(tree: Tree) -> Iterator[Tree]:
    """Every item of every column of every section; parts of another shape are passed over."""
    for column in _columns_of(tree):
        yield from _dicts(column, "layoutItems")


def _columns_of(tree: Tree) -> Iterator[Tree]:
    for section in _dicts(tree, "layoutSections"):
        yield from _dicts(section, "layoutColumns")


def _is_deeper(value: object, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inside)


def _take_off(tree: Tree, name: str) -> None:
    for column in _columns_of(tree):
        column["layoutItems"] = [item for item in _dicts(column, "layoutItems") if item.get("field") != name]


def _dicts(tree: Tree, name: str) -> list[Tree]:
    values = tree.get(name)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _tree(object_name: str, with_box: bool) -> Tree:
    reach = (*_REACH[object_name], *([EMAIL_OPT_OUT] if with_box else []))
    return {
        "emailDefault": False,
        "excludeButtons": ["Submit"],
        "layoutSections": [
            _section(f"{object_name} Information", _INFORMATION[object_name]),
            _section("Address Information", reach),
            _section("System Information", ("CreatedById", "LastModifiedById"), behaviour="Readonly"),
        ],
        "miniLayout": {"fields": ["Name", "Email"]},
        "platformActionList": {
            "actionListContext": "Record",
            "platformActionListItems": [{"actionName": "Edit", "actionType": "StandardButton", "sortOrder": 0}],
        },
        "relatedLists": [{"fields": ["TASK.SUBJECT", "TASK.DUE_DATE"], "relatedList": "RelatedActivityList"}],
        "showEmailCheckbox": False,
        "showHighlightsPanel": False,
        "showSubmitAndAttachButton": False,
        "summaryLayout": {"masterLabel": "Summary", "sizeX": 4, "sizeY": 0, "summaryLayoutStyle": "Default"},
    }


def _section(label: str, names: tuple[str, ...], behaviour: str = "Edit") -> Tree:
    half = -(-len(names) // 2)
    return {
        "customLabel": False,
        "detailHeading": True,
        "editHeading": True,
        "label": label,
        "layoutColumns": [_column(names[:half], behaviour), _column(names[half:], behaviour)],
        "style": "TwoColumnsTopToBottom",
    }


def _column(names: tuple[str, ...], behaviour: str) -> Tree:
    required = {"Name": "Required", "Company": "Required", "Status": "Required"}
    items = [{"behavior": required.get(name, behaviour), "field": name} for name in names]
    return {"layoutItems": items}
