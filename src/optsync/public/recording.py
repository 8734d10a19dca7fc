"""What a recipient's press does, whichever way it came: the opt-out, and a note for the look-out for link scanners."""

import psycopg

from optsync.config.desk import desk
from optsync.config.logging import get_logger
from optsync.ledger.record import WHOLE_ACCOUNT, Source, opt_out
from optsync.public import scanners
from optsync.public.mail_networks import is_mail_provider
from optsync.public.networks import is_public
from optsync.public.senders import scope_to_stop
from optsync.public.tokens import UnsubscribeLink

log = get_logger(__name__)


def record(
    link: UnsubscribeLink,
    source: Source,
    network: str,
    agent: str = "",
    *,
    by_link: bool = True,
    only_sender: bool = False,
) -> None:
    """Returns when it is committed, else raises psycopg.Error. `by_link`: it is not an address that somebody typed.

    Network and agent say where it came from, as `networks` has them; both are kept as evidence.
    """
    said = {"message": link.message_id, "sender": link.sender, "campaign": link.campaign}
    said |= {"network": network, "agent": agent}
    evidence = {name: value for name, value in said.items() if value}
    conn, proxies = desk().connection(), desk().proxies
    scope = scope_to_stop(conn, link.sender) if only_sender else WHOLE_ACCOUNT
    done = opt_out(conn, desk().subject_key, link.address, source, scope=scope, evidence=evidence)
    by_provider = source == "one-click" and is_mail_provider(network)  # for its users, many from one network
    if by_link and is_public(network, proxies) and not only_sender and not by_provider:
        try:
            scanners.note(conn, network, done)
        except psycopg.Error as error:  # the opt-out is committed: whoever pressed must not be told otherwise
            log.warning("a visit was not noted", error=type(error).__name__)
