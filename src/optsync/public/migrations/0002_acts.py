"""What came in by slices within the last hour, from its SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "acts.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("public", "0001_public")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
