"""The doctor's last findings, from their SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("api", "0001_api"), ("ledger", "0001_ledger")]
    operations: ClassVar = [migrations.RunSQL((SQL / "doctor_schema.sql").read_text(encoding="utf-8"))]
