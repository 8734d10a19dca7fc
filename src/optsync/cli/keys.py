"""The keys of this installation."""

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, Output, with_output
from optsync.cli.people import operator


@click.group()
def keys() -> None:
    """The keys of this installation, in the key file."""


@keys.command()
@click.option("--links", is_flag=True, help="The key of unsubscribe links instead; links made before work on.")
@with_output
def rotate(out: Output, links: bool) -> None:
    """Encrypt every stored secret with a new key, while everything goes on.

    That is every Salesforce credential, and the secrets of one-time codes, providers, webhooks and alert channels.

    Older keys stay in the file, for older backups; they decrypt nothing in the database any more. Copy the key file to
    every other host that uses this database.
    """
    from optsync.access import users
    from optsync.alerts import channels
    from optsync.connection.connect import encrypt_again
    from optsync.webhooks import endpoints, sources

    with opened(out) as house:
        vault = house.vault.rotate(house.seams)
        count = encrypt_again(house.conn, vault, actor=operator())
        sources.encrypt_again(house.conn, vault)
        codes = users.encrypt_again(house.conn, vault)
        told = endpoints.encrypt_again(house.conn, vault) + channels.encrypt_again(house.conn, vault)
    out.show(
        {"key_file": str(vault.path), "credentials": count, "codes": codes, "channels": told}
        | {"keys": len(vault.credential_keys)},
        f"{OK} New key in {vault.path}; credentials encrypted with it: {count:,}.",
        "  Next: optsync backup FILE, and copy the key file to every other host",
    )


def rotate_links(out: Output) -> None:
    """A new key for links; every older one stays, so that no link in any mailbox breaks."""
    with opened(out) as house:
        vault = house.vault.rotate_links(house.seams)
    out.show(
        {"key_file": str(vault.path), "link_keys": len(vault.link_keys)},
        f"{OK} New links are made with a new key in {vault.path}; all {len(vault.link_keys):,} are read.",
        "  Next: optsync backup FILE, and copy the key file to every other host before links are sent from here",
    )
