"""The process that runs Django's migrations, so that nobody else has to carry Django.

`python -m optsync.config.migrating` reads {"dsn", "clock_offset_seconds"} as JSON from stdin.
"""

import json
import sys

import psycopg

from optsync.config.database import NO_RIGHT, Database
from optsync.config.django_start import start_django

NO_RIGHT_STATE = "42501"  # the server's SQLSTATE for it


def main() -> None:
    """Migrates the database given on stdin. On failure it says why in one line: exit code NO_RIGHT or 1."""
    job = json.load(sys.stdin)
    start_django(Database(job["dsn"], job["clock_offset_seconds"]))
    from django.core.management import call_command

    try:
        call_command("migrate", verbosity=0, interactive=False)
    except Exception as error:  # noqa: BLE001 - told in one line; the caller makes a Problem of it
        refusal = refusal_in(error)
        sys.stderr.write(" ".join(str(refusal.diag.message_primary if refusal else error).split()) + "\n")
        sys.exit(NO_RIGHT if refusal and refusal.sqlstate == NO_RIGHT_STATE else 1)


def refusal_in(error: BaseException | None) -> psycopg.Error | None:
    """The server's own error below Django's wrappers, if there is one."""
    while error is not None and not isinstance(error, psycopg.Error):
        error = error.__cause__ or error.__context__
    return error


if __name__ == "__main__":
    main()
