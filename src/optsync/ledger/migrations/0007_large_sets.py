"""What large sets need: fewer searches and joins in the functions that record opt-outs."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql" / "large_sets.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("ledger", "0006_by_actor")]
    operations: ClassVar = [migrations.RunSQL(SQL.read_text(encoding="utf-8"))]
