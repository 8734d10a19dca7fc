"""A finished result on disk: written once in pieces of whole rows, read by row number from any place."""

import os
import tempfile
from bisect import bisect_right


class Spool:
    """An unnamed temporary file that knows where its rows begin. Values may contain line breaks between quotes."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="practice-org-")  # noqa: SIM115  # lives as long as the job
        self._first_rows = [0]
        self._offsets = [0]

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return self._first_rows[-1]

    def add(self, chunk: bytes, rows: int) -> None:
        """Appends whole rows."""
        if rows:
            self._file.write(chunk)
            self._first_rows.append(self._first_rows[-1] + rows)
            self._offsets.append(self._offsets[-1] + len(chunk))

    def finish(self) -> None:
        """After this the rows can be read."""
        self._file.flush()

    def offset_of(self, row: int) -> int:
        """Where a row begins; the end of the file for the row after the last."""
        piece = bisect_right(self._first_rows, row) - 1
        offset, left = self._offsets[piece], row - self._first_rows[piece]
        if left == 0:
            return offset
        return offset + _length_of_rows(self.read(offset, self._offsets[piece + 1]), left)

    def read(self, start: int, end: int) -> bytes:
        """The bytes between two offsets; several readers do not disturb each other."""
        return os.pread(self._file.fileno(), end - start, start)

    def close(self) -> None:
        """Gives the disk space back."""
        self._file.close()


def _length_of_rows(chunk: bytes, rows: int) -> int:
    """The length of the first rows: a line break ends a row where the quotes before it are even in number."""
    begin = scan = 0
    while rows:
        scan = chunk.index(b"\n", scan) + 1
        if chunk.count(b'"', begin, scan) % 2 == 0:
            begin, rows = scan, rows - 1
    return begin
