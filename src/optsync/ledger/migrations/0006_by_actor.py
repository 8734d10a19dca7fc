"""The index by which the list of unsubscribes finds what one user did."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "by_actor.sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("ledger", "0005_open_marks")]
    operations: ClassVar = [migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))]
