"""The doctor's checks of change events, by which Salesforce could tell of a tick within seconds.

This version does not listen to them: nothing here is worse than a warning, and each says so.
"""

from collections.abc import Iterator
from typing import Final

from optsync.connection.checks import CHANGE_DATA_CAPTURE, Check, Link, looked
from optsync.core.told import Told, told
from optsync.salesforce import pubsub, tooling
from optsync.salesforce.errors import NoClient, SalesforceError
from optsync.salesforce.limits import Limit
from optsync.salesforce.session import Session

ENTITIES: Final = ("LeadChangeEvent", "ContactChangeEvent")
LOW_SHARE: Final = 0.2
NOT_YET: Final = told(
    "today it makes no difference: this version does not listen to change events, "
    "and a tick made in Salesforce arrives with the nightly sync"
)


def check_events(session: Session, link: Link) -> Iterator[Check]:
    """Whether Change Data Capture is on for both objects, and whether we could listen to it from here."""
    title = told("Change Data Capture is selected for Lead and Contact")
    yield looked("events", title, link(CHANGE_DATA_CAPTURE), lambda *head: _selected(session, *head))
    yield _reached(session)


def check_allocation(left: Limit | None) -> Check:
    """How many change events the org may still hand out today; None where Salesforce does not tell.

    Source: Change Data Capture Developer Guide, "Allocations": 24 hours, shared by all subscribers.
    """
    title = told("There are change events left in the org's daily allocation")
    if left is None or not left.maximum:
        return Check("event-budget", title, "skip", told("Salesforce does not tell this user"))
    if left.remaining >= LOW_SHARE * left.maximum:
        return Check("event-budget", title, "pass")
    why = told(
        "%(left)s of %(allowed)s are left for all that listen in this org; %(not_yet)s",
        left=f"{left.remaining:,}",
        allowed=f"{left.maximum:,}",
        not_yet=NOT_YET,
    )
    fix = told("nothing now; to be ready for it: see who listens, or ask Salesforce for the Change Data Capture add-on")
    return Check("event-budget", title, "warn", why, fix)


def _selected(session: Session, check_id: str, title: Told, link: str) -> Check:
    if tooling.selected_for_change_events(session).issuperset(ENTITIES):
        return Check(check_id, title, "pass")
    fix = told("nothing now; to be ready for it: Setup > Change Data Capture, select Lead and Contact")
    return Check(check_id, title, "warn", NOT_YET, fix, link)


def _reached(session: Session) -> Check:
    """Any answer of the service will do: which topics it has for us is what `_selected` tells."""
    title = told("Salesforce's Pub/Sub API can be reached from here")
    try:
        pubsub.may_subscribe(session, f"/data/{ENTITIES[0]}")
    except NoClient:
        why = told("this installation has no client for it; %(not_yet)s", not_yet=NOT_YET)
        fix = told("nothing now; to be ready for it: pip install 'optsync[events]'")
        return Check("pubsub", title, "skip", why, fix, place="here")
    except SalesforceError as error:
        why = told("%(said)s; %(not_yet)s", said=error.message, not_yet=NOT_YET)
        fix = told(
            "nothing now; to be ready for it: let this machine call %(host)s on port %(port)s, HTTP/2 and all",
            host=pubsub.HOST,
            port=pubsub.PORT,
        )
        return Check("pubsub", title, "warn", why, fix, place="here")
    return Check("pubsub", title, "pass", place="here")
