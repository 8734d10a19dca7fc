"""The Django app of `optsync.alerts`: it carries migrations, nothing else."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Names the app."""

    name = "optsync.alerts"
