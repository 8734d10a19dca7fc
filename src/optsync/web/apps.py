"""The admin pages as a Django app."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Reads the translations when Django starts."""

    name = "optsync.web"

    def ready(self) -> None:
        """See `catalogs`."""
        from optsync.web.catalogs import load_translations

        load_translations()
