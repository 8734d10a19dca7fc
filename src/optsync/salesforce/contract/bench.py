"""What the questions are asked with: records of our own, raw answers, and the tidying up afterwards."""

import contextlib
from functools import cached_property
from typing import Any, Final

from optsync.core.record_ids import Kind, to_18
from optsync.salesforce import bulk, describe
from optsync.salesforce.errors import SalesforceError, code_of, error_items
from optsync.salesforce.http import Answer
from optsync.salesforce.session import Session
from optsync.seams import Seams

OPT_OUT: Final = "HasOptedOutOfEmail"
LAST_NAME: Final = "optsync contract check"
ANY_STATUS: Final = range(200, 600)


class NotSeen(Exception):  # noqa: N818  a finding, not a failure
    """This org does not show the answer; the text says why."""


class Bench:
    """One org under examination. Records are made when a question first needs them."""

    def __init__(self, session: Session, seams: Seams) -> None:
        self.session = session
        self.seams = seams
        self.mark = seams.new_id()[:8]
        self._made: list[str] = []
        self._deleted: set[str] = set()
        self._queries: list[str] = []
        self._ingests: list[str] = []

    @cached_property
    def lead(self) -> str:
        """A Lead of our own."""
        return self._make("Lead", Company=LAST_NAME)

    @cached_property
    def contacts(self) -> tuple[str, str]:
        """Two Contacts of our own."""
        return self._make("Contact"), self._make("Contact")

    @cached_property
    def deleted(self) -> str:
        """A Contact of our own that stands in the recycle bin."""
        record_id = self._make("Contact")
        self._delete(record_id)
        return record_id

    def box_of(self, kind: Kind) -> str:
        """The name of Email Opt Out on this object. Raises NotSeen when our user may not edit it."""
        field = describe.object_fields(self.session, kind).fields.get(OPT_OUT)
        if field is None or not field.updateable:
            raise NotSeen(f"Email Opt Out is {'hidden' if field is None else 'read-only'} on {kind} for this user")
        return OPT_OUT

    def call(self, method: str, path: str, **options: Any) -> Answer:
        """The answer to one call, whatever its status."""
        return self.session.request(method, path, accept=ANY_STATUS, **options)

    def tick(self, record_id: str) -> Answer:
        """One box by PATCH; the only value ever sent is true."""
        kind: Kind = "Lead" if record_id == self.lead else "Contact"
        return self.call("PATCH", f"sobjects/{kind}/{record_id}", json={self.box_of(kind): True})

    def tick_together(self, *record_ids: str) -> Answer:
        """Boxes of Contacts by one Collections call, in this order."""
        box = self.box_of("Contact")
        records = [{"attributes": {"type": "Contact"}, "id": record_id, box: True} for record_id in record_ids]
        return self.call("PATCH", "composite/sobjects", json={"allOrNone": False, "records": records})

    @cached_property
    def bulk_query(self) -> str:
        """An ended query job over our two Contacts."""
        one, two = self.contacts
        job = bulk.create_query(self.session, f"SELECT Id, Email FROM Contact WHERE Id IN ('{one}', '{two}')")
        self._queries.append(job)
        bulk.wait_for_query(self.session, job, self.seams)
        return job

    @cached_property
    def bulk_update(self) -> str:
        """An ended ingest job of one live and one deleted Contact."""
        box = self.box_of("Contact")
        job = bulk.create_update_job(self.session, "Contact")
        self._ingests.append(job)
        bulk.upload(self.session, job, box, bulk.tick_rows([self.contacts[0], self.deleted]))
        bulk.close(self.session, job)
        bulk.wait_for_ingest(self.session, job, self.seams)
        return job

    def open_update(self) -> str:
        """An ingest job that has been given its data and is not closed."""
        job = bulk.create_update_job(self.session, "Contact")
        self._ingests.append(job)
        bulk.upload(self.session, job, self.box_of("Contact"), bulk.tick_rows([self.contacts[0]]))
        return job

    def clear(self) -> list[str]:
        """Takes away all that was made; returns the ids of records that are still there."""
        for job in self._queries:
            with contextlib.suppress(SalesforceError):
                bulk.delete_query(self.session, job)
        for job in self._ingests:
            with contextlib.suppress(SalesforceError):  # an open one can only be aborted, an ended one only deleted
                bulk.abort(self.session, job)
            with contextlib.suppress(SalesforceError):
                bulk.delete(self.session, job)
        left = [record_id for record_id in self._made if record_id not in self._deleted]
        for record_id in left:
            with contextlib.suppress(SalesforceError):
                self._delete(record_id)
        return [record_id for record_id in left if record_id not in self._deleted]

    def _make(self, kind: Kind, **fields: str) -> str:
        email = f"contract-check-{self.mark}-{len(self._made)}@example.com"
        values = {"LastName": LAST_NAME, "Email": email, **fields}
        record_id = to_18(str(self.session.request("POST", f"sobjects/{kind}", json=values).json_object()["id"]))
        self._made.append(record_id)
        return record_id

    def _delete(self, record_id: str) -> None:
        kind = "Lead" if record_id.startswith("00Q") else "Contact"
        self.session.request("DELETE", f"sobjects/{kind}/{record_id}")
        self._deleted.add(record_id)


def in_short(answer: Answer) -> str:
    """Status and Salesforce's code, such as "404 ENTITY_IS_DELETED"."""
    items = error_items(answer.body)
    return f"{answer.status} {code_of(items[0]['errorCode'])}" if items else str(answer.status)
