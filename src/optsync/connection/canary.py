"""The canary: a Lead of our own is ticked, read back after a while, and deleted. Only on request; never writes false.

It finds what no look at Setup finds: a flow, a trigger or another program that unticks what we tick.
"""

from collections.abc import Iterable
from typing import Final

from optsync.connection.checks import Check, refused
from optsync.core.told import told
from optsync.salesforce import collections, query
from optsync.salesforce.collections import Tick
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.session import Session

NAME: Final = "optsync canary"
WAIT_SECONDS: Final = 3.0
"""An automation that runs after the save is through by then."""
TITLE: Final = told("A test Lead keeps its tick")


def check_canary(session: Session, fields: Iterable[str]) -> Check:
    """Whether a Lead of our own keeps these boxes ticked. The Lead has no address and is deleted again."""
    try:
        values = {"LastName": NAME, "Company": NAME}
        allowed = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
        answer = session.request("POST", "sobjects/Lead", json=values, headers=allowed)
        lead_id = query.id_from(answer.json_object(), "id")
    except SalesforceError as error:
        why = told("no test Lead could be made: %(said)s", said=error.message)
        return Check("canary", TITLE, "skip", why)
    found = _ticked(session, lead_id, list(fields))
    try:
        session.request("DELETE", f"sobjects/Lead/{lead_id}")
    except SalesforceError as error:
        why = told("the test Lead %(id)s is left: %(said)s", id=lead_id, said=error.message)
        return Check("canary", TITLE, "warn", why, told("delete it in Salesforce"))
    return found


def _ticked(session: Session, lead_id: str, fields: list[str]) -> Check:
    """What became of the ticks."""
    try:
        results = collections.tick(session, [Tick("Lead", lead_id, field) for field in fields], allow_save=True)
        session.seams.sleep(WAIT_SECONDS)
        seen = collections.retrieve(session, "Lead", [lead_id], fields)[lead_id] or {}
    except SalesforceError as error:
        return refused("canary", TITLE, error)
    said = next((f"{one.code}: {one.message}" for one in results if not one.ok), None)
    if said is not None:
        why = told("Salesforce refused the tick: %(said)s", said=said)
        return Check("canary", TITLE, "fail", why, told("what to do stands in docs/reference/rejections.md"))
    lost = [field for field in fields if seen.get(field) is not True]
    if not lost:
        return Check("canary", TITLE, "pass")
    why = told(
        "Salesforce took the tick of %(fields)s, and %(seconds)s s later it was gone: something in the org unticks it",
        fields=", ".join(lost),
        seconds=f"{WAIT_SECONDS:.0f}",
    )
    fix = told("look in Setup > Flows and Apex Triggers for what writes it on Lead, and exempt the integration user")
    return Check("canary", TITLE, "fail", why, fix)
