"""The refresh token of a connection that is being set up, from its SQL file."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("connection", "0002_draft")]
    operations: ClassVar = [migrations.RunSQL((SQL / "draft_web.sql").read_text(encoding="utf-8"))]
