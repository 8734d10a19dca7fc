"""Files as people have them: any delimiter, any of the usual encodings, broken quotes, NULs. Read once, row by row.

Nothing here is refused for its looks: bytes that are not UTF-8 are read as Latin-1 one by one, NULs are dropped, and a
quote that nobody closed costs its own line only.
"""

import codecs
import csv
import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from optsync.core.problems import Problem

DELIMITERS = ",;\t|"
SNIFF_BYTES = 65_536
DIGEST_BLOCK_BYTES = 1 << 20
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
ARCHIVES = {b"PK\x03\x04": "a ZIP archive or an Excel workbook", b"\xd0\xcf\x11\xe0": "an old Excel workbook"}
ARCHIVES |= {b"\x1f\x8b": "a gzip archive", b"%PDF": "a PDF"}


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """A byte that is no UTF-8 is taken as Windows' Latin-1, or as plain Latin-1 where Windows has no character."""
    assert isinstance(error, UnicodeDecodeError)  # only ever used to decode
    wrong = error.object[error.start : error.end]
    try:
        return wrong.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return wrong.decode("latin-1"), error.end


codecs.register_error("optsync-latin-1", _as_latin_1)


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file: its number (the first one is 1), its cells, and what is wrong with it, if anything."""

    number: int
    cells: list[str]
    problem: str = ""


@dataclass(slots=True)
class TableFile:
    """An open table: how it is written and its rows. `read_bytes` of `size_bytes` were read."""

    path: Path
    encoding: str
    delimiter: str
    size_bytes: int
    read_bytes: int = field(default=0)

    def rows(self) -> Iterator[Row]:
        """Every non-empty row, one at a time; memory does not grow with the file."""
        with self.path.open("r", encoding=self.encoding, errors="optsync-latin-1", newline="") as text:
            yield from _rows(Lines(text, self), self.delimiter)


class Lines:
    """Lines of a text for the csv module, which remembers those of the current row so that they can be read again."""

    def __init__(self, text: TextIO, file: TableFile) -> None:
        self.text = text
        self.file = file
        self.taken: list[str] = []
        self.again: deque[str] = deque()

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else self._next_line()
        self.taken.append(line)
        return line

    def _next_line(self) -> str:
        line = next(self.text)
        self.file.read_bytes += len(line)  # characters, near enough for a progress bar
        return line.replace("\0", "") if "\0" in line else line

    def give_back_all_but_first(self) -> str:
        """The first line of the row that failed; the others will be read again as rows of their own."""
        first, *rest = self.taken
        self.again.extendleft(reversed(rest))
        return first


def open_table(path: Path) -> TableFile:
    """Looks at the first bytes: encoding and delimiter. Raises Problem for what is no text table."""
    try:
        with path.open("rb") as file:
            head = file.read(SNIFF_BYTES)
        size_bytes = path.stat().st_size
    except OSError as error:
        raise Problem(
            f"{path.name} cannot be read: {error.strerror}",
            "nothing was imported",
            "check the name and who may read the file",
        ) from error
    _refuse_archives(path, head)
    encoding = _encoding_of(head)
    text = head.decode(encoding, errors="replace").replace("\0", "")
    if not text.strip('\ufeff\r\n\t ,;|"'):
        raise Problem(f"{path.name} is empty", "there is nobody in it; nothing was imported", "export the file again")
    return TableFile(path, encoding, _delimiter_of(text), size_bytes)


def digest_of(path: Path) -> bytes:
    """SHA-256 of the bytes: the same file is recognised whatever its name."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(DIGEST_BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def safe_cell(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula: an apostrophe in front of what looks like one (CSV injection)."""
    return "'" + cell if cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def plain_cell(cell: str) -> str:
    """The cell as it was before `safe_cell`."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def _rows(lines: Lines, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    while True:
        lines.taken.clear()
        problem = ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            first = lines.give_back_all_but_first()
            cells, problem = [first.rstrip("\r\n")], "its quotes do not match"
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        if problem or any(cell.strip() for cell in cells):
            number += 1
            if not (number == 1 and cells[0].lower().startswith("sep=")):  # Excel's own hint
                yield Row(number, cells, problem)


def _refuse_archives(path: Path, head: bytes) -> None:
    for magic, what in ARCHIVES.items():
        if head.startswith(magic):
            raise Problem(
                f"{path.name} is {what}, not a text file",
                "nothing was imported",
                "unpack it, or save the sheet as CSV, and import that file",
            )


def _encoding_of(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _delimiter_of(text: str) -> str:
    """The delimiter that stands most often in the first line, outside quotes; a comma when there is none."""
    first = next(line for line in text.lstrip("\ufeff").splitlines() if line.strip())
    if first.lower().startswith("sep=") and len(first) > 4:
        return first[4]
    unquoted = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)
