"""Indexes for what is not in Salesforce, from the SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("ledger", "0004_compliance")]
    operations: ClassVar = [migrations.RunSQL((SQL / "open_marks.sql").read_text(encoding="utf-8"))]
