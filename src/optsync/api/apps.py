"""The Django app of `optsync.api`: it carries migrations, nothing else."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Names the app."""

    name = "optsync.api"
