"""What an admin chose for one org: the switch "Sync to Salesforce", the opt-out field, the hour of the nightly run.

Changes are planned first and applied after a yes (rules 2 and 7). Which fields are written and read follows from
`core/targets.py`; a field that Lead or Contact lacks is refused by name (requirement 2).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from optsync.connection import fields
from optsync.connection.connect import PACKAGE
from optsync.connection.fields import EMAIL, Described, OptOutField
from optsync.core.calendar import Schedule
from optsync.core.problems import Problem
from optsync.core.targets import Choice, FieldRole, Policy, read_fields, write_fields
from optsync.core.told import told
from optsync.ledger import targets
from optsync.ledger.queries import sql
from optsync.ledger.targets import EMAIL_OPT_OUT, Carry
from optsync.salesforce import query
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.session import Session

COUNT_SECONDS: Final = 10.0
"""A count of ticks only informs; in a large org it may take longer than anybody waits for it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One org's settings. `custom` is the chosen checkbox, None until one was chosen; `custom_field` its number."""

    org_id: int
    sync_on_since: datetime | None = None
    choice: Choice = Choice.EMAIL
    custom: OptOutField | None = None
    custom_field: int | None = None
    read_both: bool = False
    schedule: Schedule = field(default_factory=Schedule)
    first_run_approved_at: datetime | None = None

    @property
    def sync_on(self) -> bool:
        """The switch."""
        return self.sync_on_since is not None

    @property
    def policy(self) -> Policy:
        """As `core/targets.py` takes it."""
        return Policy(self.sync_on, self.choice, self.read_both)

    @property
    def written(self) -> frozenset[int]:
        """The numbers of the fields in which new opt-outs are due."""
        return frozenset(self.number_of(role) for role in write_fields(self.policy))

    @property
    def read(self) -> frozenset[int]:
        """The numbers of the fields whose tick opts a person out here; empty with the switch off."""
        return frozenset(self.number_of(role) for role in read_fields(self.policy))

    def number_of(self, role: FieldRole) -> int:
        """The number of Email Opt Out or of the custom field."""
        if role is FieldRole.EMAIL:
            return EMAIL_OPT_OUT
        assert self.custom_field is not None, "the schema lets no choice need a custom field that is not there"
        return self.custom_field


@dataclass(frozen=True, slots=True)
class Change:
    """What to change; None leaves as it is. `field` is email, sales, both or a checkbox's API name."""

    sync_on: bool | None = None
    field: str | None = None
    read_both: bool | None = None
    schedule: Schedule | None = None

    @property
    def needs_look(self) -> bool:
        """Whether Salesforce must be asked first; switching off and another hour must do without it."""
        return bool(self.sync_on or self.field is not None or self.read_both)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change will do, before it is saved. `lines` say it to a person; `boxes` is how many boxes become due.

    `changes_target`: new opt-outs will be due in other fields than now. `ticked`: how many records are known to have
    the box of each field ticked today, by its label.
    """

    before: Settings
    after: Settings
    carry: Carry
    boxes: int
    lines: list[str]
    changes_target: bool
    ticked: dict[str, int]

    @property
    def widens(self) -> bool:
        """Whether the switch goes off and Email Opt Out, which marketing tools read, is written instead (rules 2)."""
        return self.before.sync_on and not self.after.sync_on and not self.after.written <= self.before.written


def load(conn: psycopg.Connection, org_id: int) -> Settings:
    """The settings of a connected org. Raises Problem for an org that is not connected."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql(PACKAGE, "load_settings"), {"org_id": org_id}).fetchone()
    if row is None:
        raise Problem(
            told("this Salesforce org is not connected"),
            told("there is nothing to set yet"),
            told("connect it with: optsync connect --credentials FILE"),
            exit_code=4,
        )
    known = {field.field: field for field in targets.fields(conn, org_id)}
    custom = known.get(row["custom_field"])
    return Settings(
        org_id,
        row["sync_on_since"],
        Choice(row["choice"]),
        OptOutField(custom.lead_name, custom.contact_name, custom.label) if custom else None,
        row["custom_field"],
        row["read_both"],
        Schedule(row["run_at"], row["run_zone"]),
        row["first_run_approved_at"],
    )


def plan_change(
    conn: psycopg.Connection, session: Session | None, org_id: int, change: Change, carry: Carry = "all"
) -> Plan:
    """What the change would do. Raises Problem, naming the object, when a needed field is missing or read-only.

    `session` may be None for a change that needs no look at Salesforce: switching off, or another hour.
    """
    before = load(conn, org_id)
    after = replace(
        before,
        sync_on_since=_switched(conn, before, change),
        read_both=before.read_both if change.read_both is None else change.read_both,
        schedule=change.schedule or before.schedule,
    )
    if change.needs_look:
        after = _checked_in_salesforce(_required(session), after, change.field)
    if before.sync_on and not after.sync_on:
        carry = "new"  # switching off carries nothing, whatever the form says of the field (rules 7)
    return _told(conn, before, after, carry)


def ticked_there(session: Session, plan: Plan) -> dict[str, int]:
    """How many Leads and Contacts have, in Salesforce now, each box whose tick begins to count with the change,
    by the field's label. Empty when none begins to, and when Salesforce does not say within COUNT_SECONDS.
    """
    counted = _fields_read(plan.before)
    found = {}
    try:
        with session.http.until(COUNT_SECONDS):
            for one in _fields_read(plan.after):
                if one not in counted:
                    names = {"Lead": one.lead_name, "Contact": one.contact_name}
                    soql = [f"SELECT COUNT() FROM {kind} WHERE {name} = true" for kind, name in names.items()]
                    found[one.label] = sum(query.count(session, asked) for asked in soql)
    except SalesforceError:
        return {}
    return found


def _fields_read(settings: Settings) -> list[OptOutField]:
    roles = sorted(read_fields(settings.policy), key=lambda role: role is not FieldRole.EMAIL)
    return [EMAIL if role is FieldRole.EMAIL else _chosen(settings) for role in roles]


def apply_change(
    conn: psycopg.Connection,
    session: Session | None,
    org_id: int,
    change: Change,
    carry: Carry = "all",
    *,
    actor: str | None = None,
) -> Plan:
    """Saves the change, with one event that says what was before and after; returns what it did.

    Raises Problem as `plan_change`, and while a push holds claims (its fields would change under it).
    """
    plan = plan_change(conn, session, org_id, change, carry)
    with conn.transaction():
        after = _numbered(conn, plan.after)
        conn.execute(sql(PACKAGE, "store_settings"), _row_of(after))
        if after.written != plan.before.written:
            targets.retarget(conn, org_id, after.written, plan.carry, actor=actor)
        if not after.sync_on:
            targets.release_carried(conn, org_id)  # no comparison will come
        evidence = Jsonb({"before": _told_to_auditors(plan.before), "after": _told_to_auditors(after)})
        conn.execute(
            sql(PACKAGE, "write_event"),
            {"kind": "settings changed", "actor": actor, "org_id": org_id, "evidence": evidence},
        )
    return replace(plan, after=after)


def approve_first_run(conn: psycopg.Connection, org_id: int, actor: str | None = None) -> None:
    """The go for the first nightly run (rules 5.7)."""
    with conn.transaction():
        conn.execute(sql(PACKAGE, "approve_first_run"), {"org_id": org_id})
        conn.execute(
            sql(PACKAGE, "write_event"),
            {"kind": "first run approved", "actor": actor, "org_id": org_id, "evidence": None},
        )


def _switched(conn: psycopg.Connection, before: Settings, change: Change) -> datetime | None:
    if change.sync_on is None:
        return before.sync_on_since
    if not change.sync_on:
        return None
    row = conn.execute("SELECT clock()").fetchone()
    assert row is not None
    now_at: datetime = row[0]
    return before.sync_on_since or now_at


def _required(session: Session | None) -> Session:
    if session is None:
        raise ValueError("this change needs a look at Salesforce")
    return session


def _checked_in_salesforce(session: Session, after: Settings, chosen: str | None) -> Settings:
    """The settings with the chosen field resolved by describe, refused unless every needed field can be written."""
    described = fields.look_at(session)
    if chosen is not None:
        named = _meant(described, chosen)
        if named is None:
            after = replace(after, choice=Choice(chosen))
        elif named == EMAIL:
            after = replace(after, choice=Choice.EMAIL)
        else:
            after = replace(after, choice=Choice.SALES, custom=named, custom_field=None)
    if after.custom is None and (after.choice is not Choice.EMAIL or after.read_both):
        after = replace(after, custom=_sales_field(described), custom_field=None)
    policy = replace(after.policy, switch_on=True)  # a choice made while the switch is off must fit later, too
    for role in sorted(write_fields(policy) | read_fields(policy), key=lambda role: role.value, reverse=True):
        fields.refuse_unusable(described, EMAIL if role is FieldRole.EMAIL else _chosen(after))
    return after


def _meant(described: Described, chosen: str) -> OptOutField | None:
    """The checkbox that a choice names; None where the word says enough. `sales` is the package's field where there is
    one, whatever other checkbox was chosen before."""
    if chosen == "sales":
        return next((one for one in described.custom_fields() if one.label == fields.SALES_LABEL), None)
    return None if chosen in ("email", "both") else described.field_named(chosen)


def _chosen(after: Settings) -> OptOutField:
    assert after.custom is not None
    return after.custom


def _sales_field(described: Described) -> OptOutField:
    """The package's field, else the only custom opt-out checkbox. Raises Problem when there is none, or several."""
    found = described.custom_fields()
    named = [field for field in found if field.label == fields.SALES_LABEL]
    if len(named or found) == 1:
        return (named or found)[0]
    if not found:
        raise Problem(
            told(
                "there is no sales opt-out field on %(objects)s",
                objects=" + ".join(described.objects_without_custom_field()),
            ),
            told("nothing was changed: a field that is not there on both objects would leave people mailable"),
            told(
                "install the Marketo Sales package or make a checkbox on both objects, then: "
                "optsync settings field API_NAME"
            ),
        )
    raise Problem(
        told(
            "several custom checkboxes could be the sales opt-out field: %(fields)s",
            fields=", ".join(field.lead_name for field in found),
        ),
        told("nothing was changed"),
        told("say which one: optsync settings field API_NAME"),
    )


def _numbered(conn: psycopg.Connection, after: Settings) -> Settings:
    if after.custom is None or after.custom_field is not None:
        return after
    custom = after.custom
    number = targets.ensure_field(conn, after.org_id, custom.lead_name, custom.contact_name, custom.label)
    return replace(after, custom_field=number)


def _told(conn: psycopg.Connection, before: Settings, after: Settings, carry: Carry) -> Plan:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql(PACKAGE, "carriers"), {"org_id": before.org_id}).fetchone()
    assert row is not None
    labels_before, labels_after = _labels(before, before.policy), _labels(after, after.policy)
    changes = labels_before != labels_after
    boxes = row["records"] * len(labels_after - labels_before) if changes and carry == "all" else 0
    labels = {field.field: field.label for field in targets.fields(conn, before.org_id)}
    ticked = {labels[int(number)]: count for number, count in sorted(row["confirmed"].items()) if count}
    lines = [f"{row['recorded']:,} people are opted out here; {row['records']:,} Salesforce records are theirs."]
    boxes_today = ", ".join(f"{label} on {count:,} records" for label, count in ticked.items())
    lines.append(f"Known to be ticked today: {boxes_today or 'no box'}.")
    if before.sync_on != after.sync_on:
        lines.append(f"The nightly sync is switched {'on' if after.sync_on else 'off'}.")
    if before.schedule != after.schedule:
        lines.append(f"The nightly sync starts at {_night(after.schedule)} instead of {_night(before.schedule)}.")
    lines.append(_target_line(changes, labels_after, boxes, carry))
    reads = " or ".join(sorted(_labels_of(after, read_fields(after.policy)))) or "nothing"
    lines.append(f"Each night a tick in {reads} opts a person out here." if after.sync_on else "Nothing is read.")
    plan = Plan(before, after, carry, boxes, lines, changes, ticked)
    if plan.widens:
        lines.append("New opt-outs go to Email Opt Out from now on; marketing tools read that field too.")
    return plan


def _night(schedule: Schedule) -> str:
    return f"{schedule.at:%H:%M} {schedule.zone}"


def _target_line(changes: bool, labels: frozenset[str], boxes: int, carry: Carry) -> str:
    names = " and ".join(sorted(labels))
    if not changes:
        return f"Opt-outs are written to {names}, as before."
    if carry == "all":
        return (
            f"Every opt-out becomes due in {names}: up to {boxes:,} boxes are ticked. Boxes ticked before stay ticked."
        )
    return f"New opt-outs are written to {names}; what was recorded before stays due where it was."


def _labels(settings: Settings, policy: Policy) -> frozenset[str]:
    return _labels_of(settings, write_fields(policy))


def _labels_of(settings: Settings, roles: Iterable[FieldRole]) -> frozenset[str]:
    return frozenset(EMAIL.label if role is FieldRole.EMAIL else _chosen(settings).label for role in roles)


def _row_of(settings: Settings) -> dict[str, object]:
    return {
        "org_id": settings.org_id,
        "sync_on_since": settings.sync_on_since,
        "choice": settings.choice.value,
        "custom_field": settings.custom_field,
        "read_both": settings.read_both,
        "run_at": settings.schedule.at,
        "run_zone": settings.schedule.zone,
    }


def _told_to_auditors(settings: Settings) -> dict[str, object]:
    return {
        "sync": "on" if settings.sync_on else "off",
        "field": settings.choice.value,
        "custom": settings.custom.lead_name if settings.custom else None,
        "read_both": settings.read_both,
        "at": f"{settings.schedule.at:%H:%M} {settings.schedule.zone}",
    }
