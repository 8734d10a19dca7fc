"""The Django app of `optsync.webhooks`: it carries migrations, nothing else."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Names the app."""

    name = "optsync.webhooks"
