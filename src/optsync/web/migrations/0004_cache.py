"""What web processes count together."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "cache_schema.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("web", "0003_causes")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
