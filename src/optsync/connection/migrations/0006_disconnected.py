"""A connection can be ended, from its SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("connection", "0005_installed")]
    operations: ClassVar = [migrations.RunSQL((SQL / "disconnected.sql").read_text(encoding="utf-8"))]
