"""Backup and restore: the database and the key in one file."""

from dataclasses import asdict
from pathlib import Path

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, Output, with_output

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.command()
@FILE
@with_output
def backup(out: Output, file: Path) -> None:
    """Write database and key into the new FILE while everything goes on.

    Whoever has the file can read every address and use the Salesforce credentials: keep it like the key.
    """
    from optsync.config.backup import backup as write_backup

    with opened(out) as house:
        about = write_backup(house.database, house.vault, file, out.say)
    size = file.stat().st_size
    line = f"{OK} {file}: {sum(about.rows.values()):,} rows, {size / 1e6:.1f} MB. It holds the key: keep it safe."
    out.show({"file": str(file), "bytes": size, **asdict(about)}, line)


@click.command()
@FILE
@with_output
def restore(out: Output, file: Path) -> None:
    """Bring database and key back from FILE, into a database in which nothing was recorded yet.

    The next sync reads every record afresh, so what happened since is found again.
    """
    from optsync.config.backup import restore as read_backup
    from optsync.ledger.queries import sql

    with opened(out) as house:
        house.conn.close()
        about = read_backup(house.database, house.environment, file, out.say)
        with house.database.connect() as conn:
            conn.execute(sql("optsync.cli", "forget_sweeps"))
    lines = (f"{OK} Restored {sum(about.rows.values()):,} rows, as of {about.made_at}.", "  Next: optsync sync --full")
    out.show({"restored": str(file), **asdict(about)}, *lines)
