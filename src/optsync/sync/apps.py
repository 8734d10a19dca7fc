"""The Django app of `optsync.sync`: it carries migrations, nothing else."""

from django.apps import AppConfig


class SyncConfig(AppConfig):
    """Names the app."""

    name = "optsync.sync"
