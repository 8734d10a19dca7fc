"""XML of metadata files, read without ever expanding anything: a document type, and so every entity, is refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
SOAP_NAMESPACE = "http://schemas.xmlsoap.org/soap/envelope/"
_TYPE = "http://www.w3.org/2001/XMLSchema-instance type"
DEPTH_MAX = 50
ELEMENTS_MAX = 100_000


class BadXmlError(Exception):
    """A file that cannot be read, and where: line and column count from one."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(problem)
        self.problem, self.line, self.column = problem, line, column


@dataclass
class Element:
    """An element by its local name; `line` and `column` are where its content begins."""

    name: str
    line: int
    column: int
    kind: str = ""
    """Its xsi:type, without the prefix."""
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def first(self, name: str) -> "Element | None":
        """The first child of that name."""
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator["Element"]:
        """The children of that name."""
        return (child for child in self.children if child.name == name)

    def value(self, name: str) -> str | None:
        """The text of the first child of that name; None when there is none."""
        found = self.first(name)
        return None if found is None else found.text.strip()


def read(content: bytes) -> Element:
    """The root element. Raises BadXmlError for what is not well-formed, has a DTD, or is beyond all measure."""
    return _Reader().read(content)


class _Reader:
    def __init__(self) -> None:
        self._open: list[Element] = []
        self._root: Element | None = None
        self._count = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, content: bytes) -> Element:
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            raise BadXmlError(
                f"Error parsing file: {expat.ErrorString(error.code)}", error.lineno, error.offset + 1
            ) from error
        except (LookupError, ValueError) as error:  # an encoding that Python does not know
            raise self._bad(f"Error parsing file: {error}") from error
        assert self._root is not None
        return self._root

    def _bad(self, problem: str) -> BadXmlError:
        return BadXmlError(problem, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)

    def _refuse_doctype(self, *_: object) -> None:
        raise self._bad("Error parsing file: DOCTYPE is not allowed")

    def _start(self, full_name: str, attributes: dict[str, str]) -> None:
        namespace, _space, name = full_name.rpartition(" ")
        self._count += 1
        if namespace not in (NAMESPACE, SOAP_NAMESPACE):
            raise self._bad(f"Error parsing file: element {name} is not of the namespace {NAMESPACE}")
        if len(self._open) >= DEPTH_MAX or self._count > ELEMENTS_MAX:
            raise self._bad("Error parsing file: too deep or too long")
        column = self._parser.CurrentColumnNumber + len(name) + 3
        kind = attributes.get(_TYPE, "").rpartition(":")[2]
        made = Element(name, self._parser.CurrentLineNumber, column, kind)
        if self._open:
            self._open[-1].children.append(made)
        else:
            self._root = made
        self._open.append(made)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].text += text


_LISTS = frozenset(
    {"customButtons", "excludeButtons", "fields", "headers", "layoutColumns", "layoutItems", "layoutSections"}
    | {"multilineLayoutFields", "platformActionListItems", "quickActionListItems", "relatedContentItems"}
    | {"relatedListItems", "relatedLists", "relatedObjects", "leftComponents", "rightComponents", "feedFilters"}
)
"""Elements of a layout that stand in lists, however often they come."""


def as_tree(element: Element) -> dict[str, object]:
    """The element as Tooling shows the same thing in JSON."""
    tree: dict[str, object] = {}
    for child in element.children:
        value: object = as_tree(child) if child.children else _plain(child)
        if child.name in _LISTS:
            known = tree.setdefault(child.name, [])
            assert isinstance(known, list)
            known.append(value)
        else:
            tree[child.name] = value
    return tree


def _plain(element: Element) -> object:
    text = element.text.strip()
    if element.name in ("layoutColumns", "layoutItems", "layoutSections") and not text:
        return {}
    if element.name in _NUMBERS and text.isascii() and text.isdigit() and len(text) < DEPTH_MAX:
        return int(text)
    return {"true": True, "false": False}.get(text, text)


_NUMBERS = frozenset({"sortOrder", "sizeX", "sizeY", "sizeZ", "width", "height"})


def as_xml(tree: Mapping[str, object]) -> str:
    """The elements that say the same as a tree; what is null or an empty list is left out, as Salesforce does."""
    return "".join(_as_xml(name, value) for name, value in tree.items())


def _as_xml(name: str, value: object) -> str:
    if value is None or not (name.isascii() and name.isidentifier()):
        return ""  # Tooling may have been given any key; no element is called so
    if isinstance(value, list):
        return "".join(_as_xml(name, item) for item in value)
    if isinstance(value, Mapping):
        return f"<{name}>{as_xml(value)}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"
