"""The keys of this installation."""

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, Output, with_output
from optsync.cli.people import operator


@click.group()
def keys() -> None:
    """The keys of this installation, in the key file."""


@keys.command()
@with_output
def rotate(out: Output) -> None:
    """Encrypt every Salesforce credential and webhook secret with a new key, while everything goes on.

    Older keys stay in the file, for older backups; they decrypt nothing in the database any more. Copy the key file to
    every other host that uses this database.
    """
    from optsync.alerts import channels
    from optsync.connection.connect import encrypt_again
    from optsync.webhooks import endpoints

    with opened(out) as house:
        vault = house.vault.rotate(house.seams)
        count = encrypt_again(house.conn, vault, actor=operator())
        told = endpoints.encrypt_again(house.conn, vault) + channels.encrypt_again(house.conn, vault)
    out.show(
        {"key_file": str(vault.path), "keys": len(vault.credential_keys), "credentials": count, "channels": told},
        f"{OK} New key in {vault.path}; encrypted with it: {count:,} credentials, {told:,} webhooks and alerts.",
        "  Next: optsync backup FILE, and copy the key file to every other host",
    )
