"""The Django app of `optsync.ledger`: it carries migrations, nothing else."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Names the app."""

    name = "optsync.ledger"
