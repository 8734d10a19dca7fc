"""The ledger's tables and functions, from their SQL files: plain SQL is what the workers speak.

From the first release on these files are frozen, here and in the other packages: a change is a new migration.
"""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
# Postgres reads the body of a plain SQL function at once: what it calls comes first.
FUNCTIONS = (
    "workers",
    "addresses",
    "lookups",
    "marks",
    "recording",
    "links",
    "lifting",
    "holds",
    "undo",
    "compliance",
    "chain",
)


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar = [
        migrations.RunSQL((SQL / name).read_text(encoding="utf-8"))
        for name in ("schema.sql", *(f"functions/{topic}.sql" for topic in FUNCTIONS))
    ]
