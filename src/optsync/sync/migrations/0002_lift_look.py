"""What the hourly look at waiting lifts has seen, from its SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "lifting_schema.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("sync", "0001_sync")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
