"""Which migrations this code has, found without loading Django."""

import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

DJANGO_APPS = ("contenttypes", "auth", "sessions")


@cache
def expected_migrations() -> frozenset[tuple[str, str]]:
    """(app, name) of every migration of optsync's own packages and of the Django apps it uses."""
    optsync = Path(__file__).parent.parent
    return names_in(optsync.glob("*/migrations")) | names_in(
        django_folder() / "contrib" / app / "migrations" for app in DJANGO_APPS
    )


def names_in(folders: Iterable[Path]) -> frozenset[tuple[str, str]]:
    """The migrations in some folders, by their app's name."""
    return frozenset((folder.parent.name, file.stem) for folder in folders for file in folder.glob("[0-9]*.py"))


def django_folder() -> Path:
    """Where Django is installed; finding it does not load it."""
    spec = importlib.util.find_spec("django")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])
