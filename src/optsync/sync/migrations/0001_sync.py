"""Sync runs and the look at waiting lifts, from their SQL file: plain SQL is what the workers speak."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "schema.sql"


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = [("ledger", "0001_ledger")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
