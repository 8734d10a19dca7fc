"""Writes the table of docs/reference/settings.md from the list of settings; a test keeps it current."""

import re
from pathlib import Path

from optsync.config.setting_list import SETTINGS, Setting

PAGE = Path("docs/reference/settings.md")
TABLE = re.compile(r"^\| Name \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)


def renewed(page: str) -> str:
    """The page with the table of today; the text around it is written by hand."""
    lines = ["| Name | What it is for | Allowed | Default |", "|---|---|---|---|", *map(row, SETTINGS)]
    return TABLE.sub(lambda _: "\n".join(lines), page, count=1)


def row(setting: Setting) -> str:
    """One setting, with the name that reads it from a file."""
    names = f"`{setting.name}`" + (f" or `{setting.name}_FILE`" if setting.secret else "")
    return f"| {names} | {setting.purpose} | {setting.allowed} | {setting.default} |"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
