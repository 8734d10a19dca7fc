"""Records as CSV, a block at a time: columns are built from what a block's records share, then joined.

Every value is quoted; booleans are true and false, instants end in Z, null is empty (salesforce.md 3.1).
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress, islice

from practice_org.ids import DIGITS, FILLER, SUFFIX, suffix_of
from practice_org.people import BLOCK, SAME_IN_EVERY_BLOCK, Crowd
from practice_org.schema import PREFIXES, Field, Value
from practice_org.selection import Match

DELIMITERS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}

RECORDS_BETWEEN_PAUSES = 1_000


@dataclass(frozen=True)
class Layout:
    """How rows are written."""

    delimiter: str = ","
    line_end: str = "\n"

    def header(self, names: list[str]) -> bytes:
        """The first line."""
        return (self.delimiter.join(f'"{name}"' for name in names) + self.line_end).encode()


class Rows:
    """Renders the records of one match. Its table must be a snapshot: rendering pauses to let others run."""

    def __init__(self, match: Match, fields: list[Field], layout: Layout) -> None:
        table, chosen = match.table, match.selection
        self.match, self.table, self.fields = match, table, fields
        self._between, self._line_end = f'"{layout.delimiter}"', layout.line_end
        self._changed = array("q", sorted(table.changes))
        self._columns = Columns(table.crowd)
        self._excluded = table.excluded(binned=match.binned)
        self._unwanted = array("q", sorted(chosen.members | self._excluded if chosen.complement else self._excluded))

    def chunks(self) -> Iterator[tuple[bytes, int]]:
        """Pieces of whole rows and how many they hold, in id order; small enough to pause between them."""
        chosen, size = self.match.selection, self.table.crowd.size
        if chosen.complement:
            for first in range(0, size, BLOCK):
                yield self._block(first, self._wanted(first, min(BLOCK, size - first)))
            rest: Iterator[int] = (n for n in range(size, self.table.next_number) if n not in chosen.members)
            yield from self._singly(rest)
            return
        numbers = array("q", sorted(chosen.members))
        live = bisect_left(numbers, size)
        start = 0
        while start < live:
            first = numbers[start] // BLOCK * BLOCK
            end = bisect_left(numbers, first + BLOCK, start, live)
            yield self._block(first, [number - first for number in numbers[start:end] if self._passes(number)])
            start = end
        yield from self._singly(iter(numbers[live:]))

    def of(self, numbers: Iterable[int]) -> Iterator[tuple[bytes, int]]:
        """The same for these records alone, in the order given."""
        return self._singly(iter(numbers))

    def _passes(self, number: int) -> bool:
        match = self.match
        if number in self._excluded:
            return False
        return match.selection.exact or match.test(number)

    def _wanted(self, first: int, count: int) -> list[int]:
        """The wanted places of a block, for a selection that names the unwanted records."""
        wanted = bytearray(b"\x01") * count
        for number in _within(self._unwanted, first):
            if number < first + count:
                wanted[number - first] = 0
        places = compress(range(count), wanted)
        if self.match.selection.exact:
            return list(places)
        return [place for place in places if self.match.test(first + place)]

    def _block(self, first: int, places: list[int]) -> tuple[bytes, int]:
        """The rows of the generated records at those places of the block from `first` on."""
        if not places:
            return b"", 0
        columns = [self._column(known, first, places) for known in self.fields]
        for number in _within(self._changed, first):
            position = bisect_left(places, number - first)
            if position < len(places) and places[position] == number - first:
                change = self.table.changes[number]
                for known, column in zip(self.fields, columns, strict=True):
                    if known.name in change:
                        column[position] = text_of(change[known.name])
        between_rows = f'"{self._line_end}"'
        text = between_rows.join(map(self._between.join, zip(*columns, strict=True)))
        return f'"{text}"{self._line_end}'.encode(), len(places)

    def _column(self, known: Field, first: int, places: list[int]) -> list[str]:
        if "." in known.name:
            return [text_of(self.table.value(first + place, known.name)) for place in places]
        if known.name not in self.table.checkboxes():
            return self._columns.at_birth(known.name, first, places)
        ticked = self.table.ticked(known.name)
        return ["true" if first + place in ticked else "false" for place in places]

    def _singly(self, numbers: Iterator[int]) -> Iterator[tuple[bytes, int]]:
        while some := list(islice(numbers, RECORDS_BETWEEN_PAUSES)):
            rows = [self._row(number) for number in some if self._passes(number)]
            yield "".join(rows).encode(), len(rows)

    def _row(self, number: int) -> str:
        value = self.table.value
        return f'"{self._between.join([text_of(value(number, known.name)) for known in self.fields])}"{self._line_end}'


def text_of(value: Value) -> str:
    """A value as it stands between quotes."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace('"', '""')


def _within(numbers: "array[int]", first: int) -> "array[int]":
    """The slice of a sorted array that falls into the block from `first` on."""
    return numbers[bisect_left(numbers, first) : bisect_left(numbers, first + BLOCK)]


class Columns:
    """Values at birth of many records of one block. Lists are fresh, so that the caller may change them."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._fixed: dict[str, list[str]] = {}
        self._emails = [(person.stem, person.domain) for person in crowd.people]

    def at_birth(self, name: str, first: int, places: Sequence[int]) -> list[str]:
        """`first` begins the block; all records at `places` are live ones."""
        crowd, block = self._crowd, first // BLOCK
        if name == "Id":
            head, endings = _block_ids(crowd.prefix, block)
            return [head + endings[place] for place in places]
        if name == "Email":
            number, emails = str(block + 1) if block else "", self._emails
            return [f"{stem}{number}@{domain}" if stem else "" for stem, domain in map(emails.__getitem__, places)]
        if name in ("IsDeleted", "IsPersonAccount", "MasterRecordId"):
            return ["" if name == "MasterRecordId" else "false"] * len(places)
        if name == "IsConverted":
            converted = crowd.converted_places(first)
            return ["true" if place in converted else "false" for place in places]
        if name == "ConvertedContactId":
            converted, (head, endings) = crowd.converted_places(first), _block_ids(PREFIXES["Contact"], block)
            return [head + endings[place] if place in converted else "" for place in places]
        if name in SAME_IN_EVERY_BLOCK:
            fixed = self._fixed_column(name)
            return [fixed[place] for place in places]
        return [text_of(crowd.value(first + place, name)) for place in places]

    def _fixed_column(self, name: str) -> list[str]:
        if name not in self._fixed:
            self._fixed[name] = [text_of(self._crowd.value_at(place, name)) for place in range(BLOCK)]
        return self._fixed[name]


def _block_ids(prefix: str, block: int) -> tuple[str, list[str]]:
    """What all ids of a block begin with, and how each goes on: the last two digits count through."""
    digits = ""
    for _ in range(3):
        block, digit = divmod(block, 62)
        digits = DIGITS[digit] + digits
    head = prefix + FILLER
    bits = sum(1 << k for k, digit in enumerate(digits) if "A" <= digit <= "Z")
    return head + digits, _id_endings(bits, suffix_of(head[:5]) + suffix_of(head[5:]))


@lru_cache(maxsize=64)
def _id_endings(bits: int, suffix: str) -> list[str]:
    """Two digits and the suffix, given which of the leading digits are capitals (see ids.suffix_of)."""
    return [f"{a}{b}{suffix}{SUFFIX[bits + 8 * a.isupper() + 16 * b.isupper()]}" for a in DIGITS for b in DIGITS]
