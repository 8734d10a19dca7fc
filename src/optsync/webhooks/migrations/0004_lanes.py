"""Lanes of delivery and secrets that were replaced, from their SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "lanes_schema.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("webhooks", "0003_inbox_erasing")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
