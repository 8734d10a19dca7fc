"""Runs that a page asks for, their progress and their cancelling, from the SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "asked_schema.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("sync", "0002_lift_look")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
