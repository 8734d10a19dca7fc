"""The indexes that the lists read."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "lists_schema.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("web", "0001_web"), ("ledger", "0001_ledger")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
