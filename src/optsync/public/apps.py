"""The public pages as a Django app: templates and one stylesheet, no models."""

from django.apps import AppConfig


class PublicConfig(AppConfig):
    """Nothing but the name."""

    name = "optsync.public"
