"""Starts Django on an opened database: settings know only what a file can know, the rest is handed over here."""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.environment import Oidc
    from optsync.config.vault import Vault


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What Django's settings take from the running process. Secret keys: the first signs, all verify."""

    parameters: dict[str, Any] = field(default_factory=lambda: {"ENGINE": "django.db.backends.dummy"}, repr=False)
    secret_keys: tuple[str, ...] = field(default=("nothing can be signed before start_django",), repr=False)
    public_url: str | None = None
    oidc: "Oidc | None" = None


_handed_over = HandedOver()


def handed_over() -> HandedOver:
    """What `start_django` was given; before that a stand-in with which no page and no query works."""
    return _handed_over


def start_django(
    database: "Database", vault: "Vault | None" = None, public_url: str | None = None, oidc: "Oidc | None" = None
) -> None:
    """Sets Django up on this database; called again, it moves Django to another one (tests do; the settings stay).

    Without a vault nothing can be signed: enough for migrations.
    """
    global _handed_over
    from django.apps import apps

    parameters = django_parameters(database)
    if apps.ready:
        move_django(parameters)
        return
    keys = vault.django_secret_keys if vault else _handed_over.secret_keys
    _handed_over = HandedOver(parameters, keys, public_url, oidc)
    os.environ["DJANGO_SETTINGS_MODULE"] = "optsync.config.settings"
    import django

    django.setup()


def move_django(parameters: dict[str, Any]) -> None:
    """Points this thread's Django connection at another database."""
    from django.db import connections

    connections["default"].close()
    connections.settings["default"] = connections.configure_settings({"default": parameters})["default"]
    del connections["default"]


def django_parameters(database: "Database") -> dict[str, Any]:
    """The DATABASES entry that makes Django's sessions equal to those of `Database.connect`."""
    arguments = database.connection_arguments()
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    places = {ours: str(arguments.pop(theirs, None) or "") for ours, theirs in names.items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **places,
        "OPTIONS": arguments | {"server_side_binding": True},  # parameters travel as in `Database.connect`
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
