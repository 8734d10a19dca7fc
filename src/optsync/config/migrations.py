"""Which migrations this code has, without loading Django; and the process that runs them.

`python -m optsync.config.migrations` reads {"dsn", "clock_offset_seconds"} as JSON from stdin.
"""

import importlib.util
import json
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

DJANGO_APPS = ("contenttypes", "auth", "sessions")
NO_RIGHT, NO_RIGHT_STATE = 3, "42501"  # our exit code, and the server's SQLSTATE for it


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


def main() -> None:
    """Migrates the database given on stdin. On failure it says why in one line: exit code NO_RIGHT or 1."""
    from optsync.config.database import Database
    from optsync.config.django_start import start_django

    job = json.load(sys.stdin)
    start_django(Database(job["dsn"], job["clock_offset_seconds"]))
    from django.core.management import call_command

    try:
        call_command("migrate", verbosity=0, interactive=False)
    except Exception as error:  # noqa: BLE001 - told in one line; the caller makes a Problem of it
        refusal = refusal_in(error)
        sys.stderr.write(" ".join(str(refusal.diag.message_primary if refusal else error).split()) + "\n")
        sys.exit(NO_RIGHT if refusal and refusal.sqlstate == NO_RIGHT_STATE else 1)


def refusal_in(error: BaseException | None) -> "psycopg.Error | None":
    """The server's own error below Django's wrappers, if there is one."""
    import psycopg

    while error is not None and not isinstance(error, psycopg.Error):
        error = error.__cause__ or error.__context__
    return error


if __name__ == "__main__":
    main()
