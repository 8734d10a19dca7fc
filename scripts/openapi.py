"""Writes docs/reference/openapi.json from the routes themselves; a test keeps it current."""

import json
import os
from pathlib import Path

PAGE = Path("docs/reference/openapi.json")


def page() -> str:
    """The document, as /v1/openapi.json serves it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optsync.config.settings")
    import django

    django.setup()
    from optsync.api.v1 import api

    return json.dumps(api.get_openapi_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
