"""Installing in an org's Setup: a field on its page layouts, our own checkbox, our permission set.

A plan is made, shown and agreed to; then the same plan is made again, and only if it is the same it is done, step by
step. Each step is remembered before Salesforce is asked, so that it can be taken back later and by somebody else.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, cast
from xml.etree.ElementTree import Element

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from optsync.connection import fields, settings
from optsync.connection.checks import VIEW_SETUP
from optsync.connection.checks_setup import MODIFY_METADATA
from optsync.connection.connect import PACKAGE
from optsync.connection.fields import Finding
from optsync.connection.install_plan import OBJECTS, OWN, SET_NAME, Found, Plan, Step, StepKind, Wish, plan
from optsync.connection.page_layouts import Place, fingerprint, put_on, spot_for, take_off
from optsync.connection.undo_plan import Remembered, UndoPlan, Use, plan_undo
from optsync.core.problems import Problem
from optsync.core.record_ids import Kind
from optsync.core.told import told
from optsync.ledger import marks, targets
from optsync.ledger.queries import sql
from optsync.salesforce import describe, metadata, permissions, query, tooling
from optsync.salesforce.errors import (
    ApiRefused,
    Busy,
    LimitExceeded,
    OddAnswer,
    SalesforceError,
    SessionRefused,
    SignInRefused,
)
from optsync.salesforce.session import Session
from optsync.salesforce.tooling import Layout, LayoutName

DESCRIPTION: Final = "Unsubscribed from sales e-mail. Ticked by optsync, which never unticks it."
SET_DESCRIPTION: Final = "What the integration user of optsync may do: tick the opt-out fields of Lead and Contact."
RIGHTS: Final[dict[StepKind, str]] = {
    "field": "Customize Application",
    "layout": f"{MODIFY_METADATA} and Customize Application",
    "set": "Manage Profiles and Permission Sets",
    "grant": "Manage Profiles and Permission Sets",
    "assignment": "Assign Permission Sets",
}


class Moved(Problem):
    """The org or this installation changed between the look and the yes; nothing was done."""

    def __init__(self) -> None:
        super().__init__(
            told("Salesforce was changed since you looked"),
            told("nothing was done: what you agreed to is not what would be done now"),
            told("look at the new list, then say yes again"),
        )


class Halfway(Problem):
    """One step was refused. What was done before it stays and is remembered, so that it can be taken back."""

    def __init__(self, step: Step, done: int, error: SalesforceError | Problem) -> None:
        said = error.message if isinstance(error, SalesforceError) else error.what
        means = told(
            "steps done before it: %(count)s; they can be taken back, and nothing after it was tried", count=done
        )
        super().__init__(told("%(step)s: %(said)s", step=step.told, said=said), means, _way_out(step.kind, error))


@dataclass(frozen=True, slots=True)
class Installed:
    """What was done. `left` are steps that a fresh look still misses, `findings` what keeps the field from use."""

    done: tuple[Step, ...]
    left: tuple[Step, ...]
    findings: tuple[Finding, ...]


def look(session: Session) -> Found:
    """What the org has. Raises SalesforceError; Problem, naming the right, when our user may not look."""
    try:
        layouts = tooling.layouts(session, tooling.layout_names(session, OBJECTS))
        own = tooling.own_fields(session, OBJECTS, OWN.lead_name.removesuffix("__c"))
        granted = (*OBJECTS, "Account") if describe.has_person_accounts(session) else OBJECTS
        return Found(tuple(layouts), own, permissions.permission_set(session, SET_NAME), session.user_id, granted)
    except ApiRefused as error:
        if isinstance(error, Busy | LimitExceeded):
            raise
        raise Problem(
            told("the integration user may not look at Setup: %(said)s", said=error.message),
            told("nothing was changed; the same can be done by hand"),
            told("give the user %(right)s, or follow the guide by hand", right=VIEW_SETUP),
        ) from error


def install(
    conn: psycopg.Connection, session: Session, org_id: int, wish: Wish, digest: str, *, actor: str | None = None
) -> Installed:
    """Does the plan with that digest, then looks whether everything is there.

    Raises Moved when the plan would be another one now, Halfway when a step is refused, Problem when somebody else is
    at it, SalesforceError when the look fails.
    """
    with _alone(conn, org_id):
        planned = plan(look(session), wish)
        if planned.digest != digest:
            raise Moved
        memory = _Memory(conn, org_id, actor)
        _do_all(session, planned, memory)
        memory.tell("installed", planned.steps)
        left = plan(look(session), wish).steps
    findings = fields.look_at(session).findings(wish.field) if wish.grant else []
    if wish.grant and not findings:
        marks.clear_pauses(conn, org_id)  # what waited for the field goes out at once
    return Installed(planned.steps, left, tuple(findings))


def remembered(conn: psycopg.Connection, org_id: int) -> list[Remembered]:
    """What was installed in the org and not taken back."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql(PACKAGE, "installed_steps"), {"org_id": org_id}).fetchall()
    return [Remembered(_step_of(row["step"]), row["made_id"], row["begun_at"], row["begun_by"]) for row in rows]


def look_for_undo(conn: psycopg.Connection, session: Session, org_id: int) -> UndoPlan:
    """What can be taken back now, and what cannot. Raises as `look`."""
    found, steps = look(session), remembered(conn, org_id)
    made = [one.step.object_name for one in steps if one.step.kind == "field"]
    carriers = {name: _carriers(session, name) for name in made if name in found.own_fields}
    return plan_undo(found, steps, Use(carriers, _is_used_by_us(conn, org_id)))


def undo(conn: psycopg.Connection, session: Session, org_id: int, digest: str, *, actor: str | None = None) -> UndoPlan:
    """Takes back what the plan with that digest says; returns it. Raises as `install`."""
    with _alone(conn, org_id):
        planned = look_for_undo(conn, session, org_id)
        if planned.digest != digest:
            raise Moved
        memory = _Memory(conn, org_id, actor)
        for part in planned.gone:
            memory.forget(part)
        for number, step in enumerate(planned.steps):
            try:
                _take_back(session, step)
            except (SalesforceError, Problem) as error:
                memory.tell("installation undone", planned.steps[:number])
                raise Halfway(step, number, error) from error
            memory.forget(step.part)
        memory.tell("installation undone", planned.steps)
    return planned


class _Memory:
    """What this installation remembers of its steps."""

    def __init__(self, conn: psycopg.Connection, org_id: int, actor: str | None) -> None:
        self.conn, self.org_id, self.actor = conn, org_id, actor

    def begin(self, step: Step) -> None:
        """Before Salesforce is asked."""
        self._run("begin_step", part=step.part, step=Jsonb(asdict(step)), actor=self.actor)

    def finish(self, step: Step, made_id: str) -> None:
        """Once it is done."""
        self._run("finish_step", part=step.part, made_id=made_id)

    def forget(self, part: str) -> None:
        """It is not there."""
        self._run("forget_step", part=part)

    def tell(self, kind: str, steps: tuple[Step, ...]) -> None:
        """One event for what was done together; none for nothing."""
        if steps:
            evidence = Jsonb({"steps": [str(step.told) for step in steps]})
            self._run("write_event", kind=kind, actor=self.actor, evidence=evidence)

    def _run(self, statement: str, **values: object) -> None:
        self.conn.execute(sql(PACKAGE, statement), {"org_id": self.org_id, **values})


def _do_all(session: Session, planned: Plan, memory: _Memory) -> None:
    """The steps in order; raises Halfway at the first that is refused."""
    known = permissions.permission_set(session, SET_NAME)
    set_id = known.id if known else ""
    for number, step in enumerate(planned.steps):
        memory.begin(step)
        try:
            made_id = _do(session, step, set_id)
        except (SalesforceError, Problem) as error:
            if _was_refused(error):
                memory.forget(step.part)
            memory.tell("installed", planned.steps[:number])
            raise Halfway(step, number, error) from error
        memory.finish(step, made_id)
        set_id = made_id if step.kind == "set" else set_id


def _do(session: Session, step: Step, set_id: str) -> str:
    """One step; returns the id of what was made."""
    if step.kind == "field":
        return tooling.make_checkbox(session, step.object_name, OWN.lead_name, OWN.label, DESCRIPTION)
    if step.kind == "set":
        return permissions.make_permission_set(session, SET_NAME, SET_NAME, SET_DESCRIPTION)
    if step.kind == "assignment":
        return permissions.assign(session, set_id, step.name)
    if step.kind == "grant" and step.target:
        permissions.set_grant(session, step.target, edit=True)
        return step.target
    if step.kind == "grant":
        return permissions.grant(session, set_id, step.object_name, step.field)
    xml, now = _as_planned(session, step)
    found = spot_for(now.metadata)
    assert found is not None  # the plan found one in the same description
    try:
        put_on(xml, found[0], step.field)
    except LookupError as error:
        raise OddAnswer("a page layout that its two descriptions show differently") from error
    metadata.update_layout(session, xml)
    return ""


def _take_back(session: Session, step: Step) -> None:
    """One step backwards."""
    if step.kind == "layout":
        xml, _ = _as_planned(session, step)
        take_off(xml, step.field)
        metadata.update_layout(session, xml)
    elif step.kind == "field":
        if _carriers(session, step.object_name) != 0:
            raise Moved  # somebody was ticked in this very moment
        tooling.delete_field(session, step.target)
    elif step.kind == "grant" and step.before == "read":
        permissions.set_grant(session, step.target, edit=False)
    else:
        kinds = {"grant": "FieldPermissions", "assignment": "PermissionSetAssignment", "set": "PermissionSet"}
        permissions.delete(session, kinds[step.kind], step.target)


def _as_planned(session: Session, step: Step) -> tuple[Element, Layout]:
    """The layout to be changed and, read after it, its description; raises Moved when the plan knew another one.

    Salesforce takes a layout whole and asks for no version, so that the last moment before is the best there is.
    """
    name = LayoutName(step.target, cast("Kind", step.object_name), step.name)
    xml = metadata.read_layout(session, tooling.layout(session, name).full_name)
    now = tooling.layout(session, name)
    if fingerprint(now.metadata) != step.before:
        raise Moved
    return xml, now


def _carriers(session: Session, object_name: str) -> int | None:
    """How many records carry our own checkbox, in the recycle bin too; None when our user cannot see it."""
    try:
        return query.count(session, f"SELECT COUNT() FROM {object_name} WHERE {OWN.lead_name} = true", all_rows=True)
    except ApiRefused as error:
        if isinstance(error, Busy | LimitExceeded):
            raise
        return None


def _is_used_by_us(conn: psycopg.Connection, org_id: int) -> bool:
    """Whether our own checkbox is due or read here."""
    chosen = settings.load(conn, org_id)
    used = targets.due_fields(conn, org_id) | chosen.written | chosen.read
    known = {one.field for one in targets.fields(conn, org_id) if one.lead_name == OWN.lead_name}
    return bool(used & known) or chosen.custom == OWN


def _way_out(kind: StepKind, error: SalesforceError | Problem) -> str:
    """What to do about a refused step: the right that it needs, or wait."""
    if isinstance(error, Problem):
        return error.next
    if not isinstance(error, ApiRefused) or isinstance(error, Busy | LimitExceeded):
        return error.next_step or told("look again, then go on")
    return told("give the integration user %(right)s for as long as it takes, or follow the guide by hand",
                right=RIGHTS[kind])  # fmt: skip


def _was_refused(error: SalesforceError | Problem) -> bool:
    """Whether the step is surely not done; after a broken line or a gateway's error it may be."""
    if isinstance(error, Problem | SessionRefused | SignInRefused):
        return True
    return isinstance(error, ApiRefused) and not isinstance(error, Busy)


@contextmanager
def _alone(conn: psycopg.Connection, org_id: int) -> Iterator[None]:
    """One person at a time. Raises Problem while somebody else installs in the same org."""
    row = conn.execute(sql(PACKAGE, "try_install_lock"), {"org_id": org_id}).fetchone()
    if row is None or not row[0]:
        raise Problem(
            told("somebody else is installing in this org right now"),
            told("nothing was done"),
            told("wait a moment, then look again"),
        )
    try:
        yield
    finally:
        conn.execute(sql(PACKAGE, "leave_install_lock"), {"org_id": org_id})


def _step_of(stored: Mapping[str, Any]) -> Step:
    step = Step(**{name: value for name, value in stored.items() if name != "place"})
    return replace(step, place=Place(**stored["place"])) if stored["place"] else step
