"""A file of Bulk results on its way out, for faults to spoil."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass
class Page:
    """One page: its header row and what is known of its body."""

    header: bytes
    locator: str
    body_bytes: int
    body_bytes_max: int | None = None
    inserted: tuple[int, bytes] | None = None
    """Bytes that do not belong there, and before which byte of the body they stand."""
    cut: bool = False
    """The connection breaks where the body ends."""

    def spoiled(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """Header and body, in pieces, as they go out."""
        left = self.body_bytes_max
        yield self.header
        for position, chunk in enumerate(body):
            piece = chunk
            if self.inserted is not None and position == 0:
                at, wrong = self.inserted
                piece = chunk[:at] + wrong + chunk[at:]
            if left is not None:
                piece, left = piece[:left], max(0, left - len(piece))
            yield piece
