"""The mail providers that may call, and the inbox of what they said."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("webhooks", "0001_webhooks")]
    operations: ClassVar = [migrations.RunSQL((SQL / "inbox_schema.sql").read_text(encoding="utf-8"))]
