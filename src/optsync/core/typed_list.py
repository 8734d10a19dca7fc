"""A list of people that somebody typed or pasted from a sheet: e-mail addresses and ids of Salesforce records."""

import re
from dataclasses import dataclass
from typing import Final

from optsync.core.addresses import is_address, normalize
from optsync.core.record_ids import BadRecordId, kind_of, to_18

ENTRIES_MAX: Final = 1_000
"""More come as a file."""

_BREAKS: Final = re.compile(r"[\r\n,;\t]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as typed: an address in its normal form, or the 18-character id of a record, or why it is neither."""

    text: str
    address: str = ""
    record_id: str = ""
    why: str = ""


def entries_of(text: str) -> list[Entry]:
    """What stands between line ends, commas, semicolons and tabs, each once, in its order; nothing for nothing."""
    found: dict[str, Entry] = {}
    for part in filter(None, map(str.strip, _BREAKS.split(text.replace("\0", "")))):
        entry = entry_of(part)
        found.setdefault(entry.address or entry.record_id or entry.text, entry)
    return list(found.values())


def entry_of(text: str) -> Entry:
    """One of them."""
    if "@" in text:
        normal = normalize(text)
        return Entry(text, address=normal) if is_address(normal) else Entry(text, why="not an e-mail address")
    try:
        record_id = to_18(text)
    except BadRecordId as error:
        is_long_id = text.isalnum() and len(text) == 18
        return Entry(text, why=str(error) if is_long_id else "neither an e-mail address nor a record id")
    if kind_of(record_id) is None:
        return Entry(text, why="the id is of another object than Lead, Contact or Account")
    return Entry(text, record_id=record_id)
