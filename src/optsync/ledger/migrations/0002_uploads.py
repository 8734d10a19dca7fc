"""Files that wait to be imported, from their SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "uploads_schema.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("ledger", "0001_ledger")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
