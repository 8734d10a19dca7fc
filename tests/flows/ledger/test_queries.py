"""Every SQL statement is found by its name, has a sentence, and is asked for somewhere."""

import re
from pathlib import Path

import pytest

from optsync.ledger import queries

SQL = Path(queries.__file__).parent / "sql"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(LookupError, match="no SQL statement named nonsense"):
        queries.sql("optsync.ledger", "nonsense")


def test_every_statement_says_what_it_does_or_is_plain_enough() -> None:
    for file in SQL.glob("*.sql"):
        for name, body in re.findall(r"^-- name: (\w+)\n((?:.*\n)*?)(?=^-- name:|\Z)", file.read_text(), re.MULTILINE):
            assert body.startswith("-- ") or body.count("\n") <= 8, f"{file.name}: {name} needs a sentence"


def test_every_statement_of_the_ledger_is_used() -> None:
    code = "".join(path.read_text() for path in SQL.parent.parent.rglob("*.py"))
    unused = [name for name in queries.statements("optsync.ledger") if f'"{name}"' not in code]
    assert unused == []
