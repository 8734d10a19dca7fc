"""The ledger's schema, from its SQL files: plain SQL is what the workers speak."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar = [
        migrations.RunSQL((SQL / name).read_text(encoding="utf-8"))
        for name in ("schema.sql", "functions.sql", "hold_functions.sql", "chain.sql")
    ]
