"""What a recipient's press does, whichever way it came: the opt-out, and a note for the look-out for link scanners."""

import psycopg

from optsync.config.desk import desk
from optsync.config.logging import get_logger
from optsync.ledger.batches import Wanted
from optsync.ledger.record import WHOLE_ACCOUNT, Source, opt_out
from optsync.public import scanners, unproved
from optsync.public.mail_networks import is_mail_provider
from optsync.public.networks import is_public
from optsync.public.senders import scope_to_stop
from optsync.public.tokens import UnsubscribeLink

TYPED = "the form for damaged links"
"""What the hold of too many of them says they came from."""

log = get_logger(__name__)


def record(
    link: UnsubscribeLink,
    source: Source,
    network: str,
    agent: str = "",
    *,
    only_sender: bool = False,
) -> None:
    """What the link of a person asks for. Returns when it is committed, else raises psycopg.Error.

    Network and agent say where it came from, as `networks` has them; both are kept as evidence.
    """
    evidence = evidence_of(link, network, agent)
    conn, proxies = desk().connection(), desk().proxies
    scope = scope_to_stop(conn, link.sender) if only_sender else WHOLE_ACCOUNT
    done = opt_out(conn, desk().subject_key, link.address, source, scope=scope, evidence=evidence)
    by_provider = source == "one-click" and is_mail_provider(network)  # for its users, many from one network
    if is_public(network, proxies) and not only_sender and not by_provider:
        try:
            scanners.note(conn, network, done)
        except psycopg.Error as error:  # the opt-out is committed: whoever pressed must not be told otherwise
            log.warning("a visit was not noted", error=type(error).__name__)


def record_typed(address: str, network: str, agent: str) -> None:
    """An address that somebody typed into the form. Returns when it is committed, else raises psycopg.Error."""
    evidence = evidence_of(UnsubscribeLink(address), network, agent)
    wanted = Wanted(address, "clicked link", None, evidence)
    unproved.opt_out(desk().connection(), desk().subject_key, wanted, TYPED)


def evidence_of(link: UnsubscribeLink, network: str, agent: str) -> dict[str, str]:
    """What is known of a press."""
    said = {"message": link.message_id, "sender": link.sender, "campaign": link.campaign}
    said |= {"network": network, "agent": agent}
    return {name: value for name, value in said.items() if value}
