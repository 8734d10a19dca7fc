"""Undoing what a run brought in, from the SQL file; and the door, which now tells apart who repeated a tick."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
FUNCTIONS = (SQL / "functions.sql").read_text(encoding="utf-8")
DOOR = (
    "FUNCTION opt_out_addresses" + FUNCTIONS.partition("CREATE FUNCTION opt_out_addresses")[2].partition("END $$;")[0]
)


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("ledger", "0002_uploads")]
    operations: ClassVar = [
        migrations.RunSQL(f"CREATE OR REPLACE {DOOR}END $$;"),
        migrations.RunSQL((SQL / "undo.sql").read_text(encoding="utf-8")),
    ]
