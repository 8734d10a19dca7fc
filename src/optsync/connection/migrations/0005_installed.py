"""What was installed in an org, from its SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("connection", "0004_instance")]
    operations: ClassVar = [migrations.RunSQL((SQL / "installed.sql").read_text(encoding="utf-8"))]
