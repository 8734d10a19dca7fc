"""The admin pages as a Django app."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Reads the translations when Django starts, and listens to what allauth reports."""

    name = "optsync.web"

    def ready(self) -> None:
        """See `catalogs`."""
        from optsync.web import accounts  # noqa: F401 - its receivers write down how users change their ways in
        from optsync.web.catalogs import load_translations

        load_translations()
