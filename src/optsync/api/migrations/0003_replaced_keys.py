"""When a key was replaced."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("api", "0002_doctor")]
    operations: ClassVar = [migrations.RunSQL("ALTER TABLE api_key ADD COLUMN replaced_at timestamptz;")]
