"""Refusals that were put aside, and what web processes count together."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = [("ledger", "0001_ledger")]
    operations: ClassVar = [migrations.RunSQL((SQL / "schema.sql").read_text(encoding="utf-8"))]
