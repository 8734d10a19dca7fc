"""Lines of CSV, as every download of the pages writes them."""

import csv
from collections.abc import Sequence
from io import StringIO

from optsync.ledger.files import safe_cell


def csv_line(cells: Sequence[str]) -> bytes:
    """A line of CSV whose cells no spreadsheet runs."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow([safe_cell(cell) for cell in cells])
    return text.getvalue().encode()
