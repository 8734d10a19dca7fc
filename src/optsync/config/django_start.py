"""Starts Django on an opened database: settings know only what a file can know, the rest is handed over here."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optsync.config.database import Database


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What Django's settings take from the running process. Secret keys: the first signs, all verify."""

    database: dict[str, Any] = field(default_factory=lambda: {"ENGINE": "django.db.backends.dummy"}, repr=False)
    secret_keys: Sequence[str] = field(default=("set by start_django",), repr=False)
    public_url: str | None = None


_handed_over = HandedOver()


def handed_over() -> HandedOver:
    """What `start_django` was given; before that a stand-in with which no page and no query works."""
    return _handed_over


def start_django(database: "Database", secret_keys: Sequence[str] | None = None, public_url: str | None = None) -> None:
    """Sets Django up on this database; called again, it moves Django there (tests do; keys and address stay).

    Without `secret_keys` nothing can be signed: enough for migrations.
    """
    from django.apps import apps

    parameters = django_parameters(database)
    if apps.ready:
        move_django(parameters)
        return
    global _handed_over
    _handed_over = HandedOver(parameters, tuple(secret_keys or _handed_over.secret_keys), public_url)
    os.environ["DJANGO_SETTINGS_MODULE"] = "optsync.config.settings"
    import django

    django.setup()


def move_django(parameters: dict[str, Any]) -> None:
    """Points this thread's Django connection at another database."""
    from django.db import connections

    connections["default"].close()
    connections.databases["default"] = connections.configure_settings({"default": parameters})["default"]
    del connections["default"]


def django_parameters(database: "Database") -> dict[str, Any]:
    """The DATABASES entry that makes Django's sessions equal to those of `Database.connect`."""
    arguments = database.connection_arguments()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": arguments.pop("dbname", ""),
        "USER": arguments.pop("user", ""),
        "PASSWORD": arguments.pop("password", ""),
        "HOST": arguments.pop("host", ""),
        "PORT": str(arguments.pop("port", "")),
        "OPTIONS": arguments,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }
