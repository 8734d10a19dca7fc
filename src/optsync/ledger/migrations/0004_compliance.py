"""Compliance data, from their SQL file; who is erased has none."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "compliance_schema.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("ledger", "0003_undo")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
