"""Grouping of refusals by cause, with the indexes of the issues page, and who muted which."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "causes_schema.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("web", "0002_lists"), ("ledger", "0001_ledger")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
