"""Turns the .po files of this package into loaded translations when Django starts.

No gettext tools, no build step and no .mo file to forget: the catalogs are compiled in milliseconds into a folder that
is gone as soon as Django has read it, so a read-only installation works like a clone. Reads what our .po files use:
strings on one or many lines, plural forms, contexts, comments; skips fuzzy and untranslated entries.
"""

import ast
import struct
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.utils.translation import gettext, override

LOCALE = Path(__file__).parent / "locale"
DOMAIN = "django"


def load_translations() -> None:
    """Compiles every catalog and lets Django read it; called once, from the app's `ready`."""
    with TemporaryDirectory(prefix="optsync-locale-") as folder:
        for source in LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po"):
            target = Path(folder) / source.relative_to(LOCALE).with_suffix(".mo")
            target.parent.mkdir(parents=True)
            target.write_bytes(compiled(dict(entries_of(source.read_text(encoding="utf-8")))))
        settings.LOCALE_PATHS = [folder]
        for language, _ in settings.LANGUAGES:
            with override(language):
                gettext("Overview")


def entries_of(text: str) -> Iterator[tuple[str, str]]:
    """The (key, value) pairs of a .po file in the form of a .mo file: context before EOT, plurals joined by NUL."""
    for block in text.split("\n\n"):
        if "#, fuzzy" in block:
            continue
        parts = parts_of(block)
        key = parts.get("msgid")
        value = "\0".join(found for name, found in parts.items() if name.startswith("msgstr"))
        if key is None or not value.strip("\0"):
            continue
        if "msgctxt" in parts:
            key = f"{parts['msgctxt']}\x04{key}"
        if "msgid_plural" in parts:
            key = f"{key}\0{parts['msgid_plural']}"
        yield key, value


def parts_of(block: str) -> dict[str, str]:
    """The strings of one entry by keyword, in their order."""
    parts: dict[str, str] = {}
    keyword = ""
    for line in block.splitlines():
        if not line or line.startswith("#"):
            continue
        if not line.startswith('"'):
            keyword, _, line = line.partition(" ")
            parts[keyword] = ""
        parts[keyword] += ast.literal_eval(line)  # a .po string literal is a Python string literal
    return parts


def compiled(entries: dict[str, str]) -> bytes:
    """The .mo file of the entries (GNU gettext manual, "The Format of GNU MO Files"), no hash table."""
    pairs = sorted((key.encode(), value.encode()) for key, value in entries.items())
    count, header = len(pairs), 28
    strings_at = header + 16 * count
    index: list[bytes] = []
    data = b""
    for column in (0, 1):
        for pair in pairs:
            index.append(struct.pack("<II", len(pair[column]), strings_at + len(data)))
            data += pair[column] + b"\0"
    return (
        struct.pack("<7I", 0x950412DE, 0, count, header, header + 8 * count, 0, header + 16 * count)
        + b"".join(index)
        + data
    )
