"""The Django app of `optsync.connection`: it carries migrations, nothing else."""

from django.apps import AppConfig


class ConnectionConfig(AppConfig):
    """Names the app."""

    name = "optsync.connection"
