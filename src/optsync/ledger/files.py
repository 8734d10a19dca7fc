"""Files as people have them: any delimiter, any of the usual encodings, broken quotes, NULs. Read once, row by row.

Nothing here is refused for its looks: bytes that are not UTF-8 are read as Latin-1 one by one, NULs are dropped, and a
quote that nobody closed or an endless line costs that line only.
"""

import codecs
import csv
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from optsync.core.addresses import is_address, normalize, without_addresses
from optsync.core.problems import Problem
from optsync.core.told import told

DELIMITERS = ",;\t|"
LINE_CHARS_MAX = 65_536
BLOCK_LINES = 256
"""How many lines are taken at once: looking at each of a million lines costs more than reading it."""
OVERLONG = "\0"
"""Stands before the beginning of a line that was too long to keep; no other line holds a NUL."""

SNIFF_BYTES = 65_536
DIGEST_BLOCK_BYTES = 1 << 20
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
PASSED_OVER = "' \ufeff"
"""What may stand before such a sign; the SQL of the export knows the same."""

ARCHIVES = {
    b"PK\x03\x04": told("a ZIP archive or an Excel workbook"),
    b"\xd0\xcf\x11\xe0": told("an old Excel workbook"),
    b"\x1f\x8b": told("a gzip archive"),
    b"%PDF": told("a PDF"),
}


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """A byte that is no UTF-8 is taken as Windows' Latin-1, or as plain Latin-1 where Windows has no character."""
    assert isinstance(error, UnicodeDecodeError)  # only ever used to decode
    wrong = error.object[error.start : error.end]
    try:
        return wrong.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return wrong.decode("latin-1"), error.end


codecs.register_error("optsync-latin-1", _as_latin_1)


class Row(NamedTuple):
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
    """The lines of a text in blocks for the csv module: without NULs, and of an endless line its beginning only."""

    def __init__(self, text: TextIO, file: TableFile) -> None:
        self._pieces = iter(partial(text.readline, LINE_CHARS_MAX + 1), "")
        self._file = file
        self._is_passing_over = False

    def next_block(self) -> list[str]:
        """Up to BLOCK_LINES lines; none when the text has ended."""
        block: list[str] = []
        while not block and (pieces := list(islice(self._pieces, BLOCK_LINES))):
            whole = "".join(pieces)
            self._file.read_bytes += len(whole)  # characters, near enough for a progress bar
            is_odd = self._is_passing_over or "\0" in whole or max(map(len, pieces)) > LINE_CHARS_MAX
            block = list(self._mended(pieces)) if is_odd else pieces
        return block

    def _mended(self, pieces: list[str]) -> Iterator[str]:
        for piece in pieces:
            is_new_line = not self._is_passing_over
            if is_new_line and len(piece) <= LINE_CHARS_MAX:
                yield piece.replace("\0", "")
                continue
            if is_new_line:
                yield OVERLONG + "".join(char for char in piece[:80] if char not in '\0"\r\n') + "\n"
            self._is_passing_over = not piece.endswith(("\n", "\r"))


def open_table(path: Path) -> TableFile:
    """Looks at the first bytes: encoding and delimiter. Raises Problem for what is no text table."""
    try:
        about = path.stat()
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            raise Problem(
                told("%(file)s is a pipe or a device, not a file", file=path.name),
                told("nothing was imported: a file is read twice, first to recognise it"),
                told("save its content into a file and import that"),
            )
        with path.open("rb") as file:
            head = file.read(SNIFF_BYTES)
    except OSError as error:
        raise Problem(
            told("%(file)s cannot be read: %(why)s", file=path.name, why=error.strerror),
            told("nothing was imported"),
            told("check the name and who may read the file"),
        ) from error
    _refuse_archives(path, head)
    encoding = _encoding_of(head)
    text = head.decode(encoding, errors="replace").replace("\0", "")
    if not text.strip('\ufeff\r\n\t ,;|"'):
        raise empty(path.name)
    return TableFile(path, encoding, _delimiter_of(text), about.st_size)


def empty(name: str) -> Problem:
    """Nobody is in a file."""
    return Problem(
        told("%(file)s is empty", file=name),
        told("there is nobody in it; nothing was imported"),
        told("export the file again"),
    )


def digest_of(path: Path) -> bytes:
    """SHA-256 of the bytes: the same file is recognised whatever its name."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(DIGEST_BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def safe_cell(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula: an apostrophe in front of what looks like one (CSV injection)."""
    return "'" + cell if cell.lstrip(PASSED_OVER).startswith(FORMULA_STARTS) else cell


def plain_cell(cell: str) -> str:
    """The cell as it was before `safe_cell`."""
    return cell[1:] if cell.startswith("'") and cell.lstrip(PASSED_OVER).startswith(FORMULA_STARTS) else cell


def shown_name(path: Path) -> str:
    """The file's name as text that every table and terminal takes, also where its bytes are no UTF-8.

    Without addresses: it stands in events, which are kept for ever.
    """
    return without_addresses(os.fsencode(path.name).decode("utf-8", "replace"))


def _rows(lines: Lines, delimiter: str) -> Iterator[Row]:
    number = width = 0
    block = lines.next_block()
    while block:
        reader = csv.reader(block, delimiter=delimiter, strict=True)
        done = 0
        try:
            for cells in reader:
                if reader.line_num - done > 1:
                    _refuse_rows_inside(block[done + 1 : reader.line_num], delimiter, width)
                done = reader.line_num
                if not "".join(cells).strip():
                    continue
                number += 1
                if cells[0].startswith(OVERLONG):
                    yield Row(number, [cells[0][1:] + "…"], f"its line is longer than {LINE_CHARS_MAX:,} characters")
                elif not (number == 1 and cells[0].lower().startswith("sep=")):  # Excel's own hint
                    width = width or len(cells)
                    yield Row(number, cells)
            block = lines.next_block()
        except csv.Error:
            if reader.line_num == len(block) and (more := lines.next_block()):
                block = block[done:] + more  # the row may go on in the next block
            else:
                number += 1
                yield Row(number, [block[done].rstrip("\r\n")], "its quotes do not match")
                block = block[done + 1 :] or lines.next_block()


def _refuse_rows_inside(lines: Sequence[str], delimiter: str, width: int) -> None:
    """Raises csv.Error when a quote was closed rows later: those rows must not vanish in it."""
    if any(_is_a_row(line, delimiter, width) for line in lines):
        raise csv.Error


def _is_a_row(line: str, delimiter: str, width: int) -> bool:
    """Whether a line inside quotes is rather a row of its own, which must not vanish: as many cells, and an address."""
    if line.startswith(OVERLONG):
        return True
    cells = next(csv.reader([line], delimiter=delimiter), [])
    return len(cells) == width and any(is_address(normalize(cell.strip('" '))) for cell in cells)


def _refuse_archives(path: Path, head: bytes) -> None:
    for magic, what in ARCHIVES.items():
        if head.startswith(magic):
            raise Problem(
                told("%(file)s is %(what)s, not a text file", file=path.name, what=what),
                told("nothing was imported"),
                told("unpack it, or save the sheet as CSV, and import that file"),
            )


def _encoding_of(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _delimiter_of(text: str) -> str:
    """The delimiter that stands most often in the first line, outside quotes; a comma when there is none."""
    first = next((line for line in text.lstrip("\ufeff").splitlines() if line.strip()), "")
    if first.lower().startswith("sep=") and len(first) > 4:
        return first[4]
    unquoted = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)
