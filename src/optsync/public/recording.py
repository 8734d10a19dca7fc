"""What a recipient's press does, whichever way it came: the opt-out, and a note for the look-out for link scanners."""

import psycopg

from optsync.config.desk import desk
from optsync.config.logging import get_logger
from optsync.ledger.record import WHOLE_ACCOUNT, Source, opt_out
from optsync.public import scanners
from optsync.public.networks import is_public
from optsync.public.senders import scope_to_stop
from optsync.public.tokens import UnsubscribeLink

log = get_logger(__name__)


def record(
    link: UnsubscribeLink, source: Source, network: str, *, by_link: bool = True, only_sender: bool = False
) -> None:
    """Returns when it is committed, else raises psycopg.Error. `by_link`: it is not an address that somebody typed."""
    said = {"message": link.message_id, "sender": link.sender, "campaign": link.campaign, "network": network}
    evidence = {name: value for name, value in said.items() if value}
    conn = desk().connection()
    scope = scope_to_stop(conn, link.sender) if only_sender else WHOLE_ACCOUNT
    done = opt_out(conn, desk().subject_key, link.address, source, scope=scope, evidence=evidence)
    if by_link and is_public(network) and not only_sender:
        try:
            scanners.note(conn, network, done)
        except psycopg.Error as error:  # the opt-out is committed: whoever pressed must not be told otherwise
            log.warning("a visit was not noted", error=type(error).__name__)
