"""The tables of outgoing webhooks, and of the mail providers that may call with their inbox."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = [("ledger", "0001_ledger")]
    operations: ClassVar = [
        migrations.RunSQL((SQL / name).read_text(encoding="utf-8")) for name in ("schema.sql", "inbox_schema.sql")
    ]
