"""The tables of users and of the links by which they sign in."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations, models

SCHEMA = Path(__file__).parent.parent / "sql" / "schema.sql"


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = [("ledger", "0001_ledger")]
    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(SCHEMA.read_text(encoding="utf-8"))],
            state_operations=[
                migrations.CreateModel(
                    name="User",
                    fields=[
                        ("user_id", models.AutoField(primary_key=True, serialize=False)),
                        ("password", models.CharField(max_length=128, verbose_name="password")),
                        ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                        ("email", models.TextField(unique=True)),
                        ("name", models.TextField()),
                        ("role", models.TextField()),
                        ("session_epoch", models.IntegerField(default=0)),
                        ("language", models.TextField(default="")),
                        ("time_zone", models.TextField(default="")),
                        ("made_at", models.DateTimeField()),
                    ],
                    options={"db_table": "app_user"},
                )
            ],
        )
    ]
