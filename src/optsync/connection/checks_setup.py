"""The doctor's checks of an org's Setup: rights, page layouts, who sees the field, rules, the package.

Most of it needs *View Setup and Configuration*, which an integration user may well lack: what Salesforce does not let
us see is skipped with the page where a person sees it, and never counts as a failure.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from optsync.connection.checks import (
    DUPLICATE_RULES,
    FIELDS,
    PACKAGES,
    PAGE_LAYOUTS,
    PERMISSION_SETS,
    USERS,
    VALIDATION_RULES,
    Check,
    Link,
    looked,
)
from optsync.connection.fields import OptOutField
from optsync.connection.install_plan import OBJECTS
from optsync.connection.page_layouts import place_of
from optsync.core.record_ids import Kind
from optsync.core.told import Told, told
from optsync.salesforce import limits, metadata, permissions, tooling
from optsync.salesforce.session import Session
from optsync.salesforce.tooling import Layout

MODIFY_METADATA: Final = "Modify Metadata Through Metadata API Functions"
NAMED_MAX: Final = 10
"""So many layouts or rules are named; how many more there are is said."""
WITHOUT_LEADS: Final = ("Salesforce Platform", "Chatter", "Identity", "Company Communities", "Customer Community")
"""Licences without Leads, by how their names begin (Salesforce Help, "User Licenses")."""


def check_user(session: Session, link: Link) -> Iterator[Check]:
    """Who we are there, and whether we may edit every record."""
    yield looked("user", told("The integration user is active"), link(USERS), lambda *head: _user(session, *head))
    title = told("Every Lead and Contact can be edited, whatever sharing says")
    yield looked("all-records", title, link(PERMISSION_SETS), lambda *head: _all_records(session, *head))
    title = told("Converted Leads can be edited")
    yield looked("converted", title, link(PERMISSION_SETS), lambda *head: _converted(session, *head))


def check_layouts(session: Session, link: Link, wanted: list[OptOutField], *, decides: bool) -> Iterator[Check]:
    """Whether people see the fields; in an edition where the layout decides (`decides`) our user sees no more."""
    for name in OBJECTS:
        title = told("People see the opt-out field on every page layout of %(object)s", object=name)

        def look(check_id: str, title: Told, link: str, name: Kind = name) -> Check:
            limits.leave_a_reserve(session)  # a call for each layout
            found = tooling.layouts(session, tooling.layout_names(session, [name]))
            return _layouts(found, wanted, name, Check(check_id, title, "pass", link=link), decides=decides)

        yield looked(f"layouts.{name}", title, link(PAGE_LAYOUTS.format(name)), look)


def check_rules(session: Session, link: Link) -> Iterator[Check]:
    """Rules of the org that may refuse a tick."""
    validation = told("No validation rule can refuse a tick")
    duplicates = told("No duplicate rule can refuse a tick")

    def validation_rules(check_id: str, title: Told, link: str) -> Check:
        fix = told("exempt the integration user in each: add its user or permission to the rule's condition")
        return _rules(tooling.active_validation_rules(session, OBJECTS), Check(check_id, title, "pass", "", fix, link))

    def duplicate_rules(check_id: str, title: Told, link: str) -> Check:
        fix = told("nothing, if they only alert: optsync saves all the same; a rule that blocks needs an exception")
        return _rules(tooling.active_duplicate_rules(session, OBJECTS), Check(check_id, title, "pass", "", fix, link))

    yield looked("validation-rules", validation, link(VALIDATION_RULES.format("Lead")), validation_rules)
    yield looked("duplicate-rules", duplicates, link(DUPLICATE_RULES), duplicate_rules)


def check_custom(session: Session, link: Link, custom: OptOutField | None) -> Iterator[Check]:
    """The package or the mapping that a custom field needs; nothing for Email Opt Out."""
    if custom is None:
        yield Check("package", told("Email Opt Out needs no package"), "pass")
        return
    namespace = namespace_of(custom.lead_name)
    if not namespace:
        yield Check("package", told("The chosen checkbox is your own and needs no package"), "pass")
    else:
        title = told("The package %(package)s is installed", package=namespace)
        yield looked("package", title, link(PACKAGES), lambda *head: _package(session, namespace, *head))
    title = told("A converted Lead hands its tick on to the Contact")
    page = link(FIELDS.format("Lead"))
    yield looked("mapping", title, page, lambda *head: _mapping(session, custom, *head), MODIFY_METADATA)


def check_readers(session: Session, link: Link, wanted: list[OptOutField]) -> Iterator[Check]:
    """Whether field-level security shows the fields to everybody who sees the object: Lightning warns nobody else."""
    for name in OBJECTS:
        title = told("Everybody who sees %(object)s records sees the opt-out field", object=name)

        def look(check_id: str, title: Told, link: str, name: Kind = name) -> Check:
            return _readers(session, wanted, name, Check(check_id, title, "pass", link=link))

        yield looked(f"readers.{name}", title, link(FIELDS.format(name)), look)


def namespace_of(api_name: str) -> str:
    """The namespace of a package's field, such as mkto_si of mkto_si__Opt_Out__c; "" for one of the org's own."""
    parts = api_name.split("__")
    return parts[0] if len(parts) == 3 else ""


def _user(session: Session, check_id: str, title: Told, link: str) -> Check:
    user = permissions.who_am_i(session)
    if not user.is_active:
        why = told("%(name)s is deactivated: the next sign-in will be refused", name=user.name)
        return Check(check_id, title, "fail", why, told("activate the user: Setup > Users"), link)
    if user.licence.startswith(WITHOUT_LEADS):
        why = told(
            "%(name)s has the licence %(licence)s, which has no Leads: their boxes cannot be ticked",
            name=user.name,
            licence=user.licence,
        )
        fix = told("give it a licence with Leads, such as Salesforce or Salesforce Integration: Setup > Users")
        return Check(check_id, title, "fail", why, fix, link)
    known = told("The integration user %(name)s is active; licence: %(licence)s", name=user.name, licence=user.licence)
    return Check(check_id, known if user.licence else title, "pass")


def _all_records(session: Session, check_id: str, title: Told, link: str) -> Check:
    if permissions.may(session, permissions.MODIFY_ALL)[permissions.MODIFY_ALL]:
        return Check(check_id, title, "pass")
    all_of = permissions.modify_all_records(session, OBJECTS)
    lacking = [name for name in OBJECTS if name not in all_of]
    if not lacking:
        return Check(check_id, title, "pass")
    why = told(
        "records of %(objects)s that sharing keeps from the integration user cannot be ticked: they would wait",
        objects=" + ".join(lacking),
    )
    fix = told(
        "give the integration user Modify All on %(objects)s: "
        "Setup > Permission Sets > the user's set > Object Settings",
        objects=" + ".join(lacking),
    )
    return Check(check_id, title, "warn", why, fix, link)


def _converted(session: Session, check_id: str, title: Told, link: str) -> Check:
    if permissions.may(session, permissions.CONVERTED_LEADS)[permissions.CONVERTED_LEADS]:
        return Check(check_id, title, "pass")
    why = told("of a converted Lead its Contact is ticked, as it should; a converted Lead without a Contact would wait")
    fix = told(
        "give the integration user View and Edit Converted Leads: "
        "Setup > Permission Sets > the user's set > App Permissions"
    )
    return Check(check_id, title, "warn", why, fix, link)


def _layouts(found: list[Layout], wanted: list[OptOutField], name: Kind, sound: Check, *, decides: bool) -> Check:
    lacking: dict[str, list[str]] = {}
    for field in wanted:
        api_name = field.name_on(name)
        without = [one.name for one in found if place_of(one.metadata, api_name) is None]
        if without:
            lacking[api_name] = without
    if not lacking:
        return Check(sound.id, sound.title, "pass")
    fields = "; ".join(f"{api_name} on {_named(names)}" for api_name, names in lacking.items())
    if decides:
        why = told(
            "in this edition the layout decides: nobody can write a field that theirs lacks. Lacking: %(fields)s",
            fields=fields,
        )
    else:
        why = told(
            "people cannot see there who is unsubscribed; the sync works all the same. Lacking: %(fields)s",
            fields=fields,
        )
    fix = told("put it there with: optsync install --layouts all, or Settings > Salesforce > Install; or by hand")
    return Check(sound.id, sound.title, "fail" if decides else "warn", why, fix, sound.link)


def _rules(found: dict[str, list[str]], sound: Check) -> Check:
    if not found:
        return Check(sound.id, sound.title, "pass")
    rules = "; ".join(f"{name}: {_named(sorted(rules))}" for name, rules in sorted(found.items()))
    why = told(
        "these are on, and one whose condition fits would refuse the tick of that record: %(rules)s", rules=rules
    )
    return Check(sound.id, sound.title, "warn", why, sound.fix, sound.link)


def _package(session: Session, namespace: str, check_id: str, title: Told, link: str) -> Check:
    if namespace in tooling.package_versions(session):
        return Check(check_id, title, "pass")
    why = told("the chosen opt-out field belongs to it, so there is no box to tick")
    fix = told("install it from the AppExchange, or choose another field; the steps: Settings > Salesforce > Install")
    return Check(check_id, title, "fail", why, fix, link)


def _mapping(session: Session, custom: OptOutField, check_id: str, title: Told, link: str) -> Check:
    if (custom.lead_name, custom.contact_name) in metadata.converted_fields(session):
        return Check(check_id, title, "pass")
    why = told("the box of a converted Lead is empty on its new Contact until we tick it there")
    fix = told(
        "map %(lead)s of Lead to %(contact)s of Contact: "
        "Setup > Object Manager > Lead > Fields & Relationships > Map Lead Fields",
        lead=custom.lead_name,
        contact=custom.contact_name,
    )
    return Check(check_id, title, "warn", why, fix, link)


def _readers(session: Session, wanted: list[OptOutField], name: Kind, sound: Check) -> Check:
    blind: dict[str, str] = {}
    for field in wanted:
        api_name = field.name_on(name)
        found = permissions.users_without_field(session, name, api_name)
        if found is None:
            why = told("more permission sets speak of %(object)s than can be asked about at once", object=name)
            return Check(sound.id, sound.title, "skip", why, told("look by hand"), sound.link)
        if found:
            blind[api_name] = _named(f"{profile} ({count:,})" for profile, count in sorted(found.items()))
    if not blind:
        return Check(sound.id, sound.title, "pass")
    fields = "; ".join(f"{api_name}: {who}" for api_name, who in blind.items())
    why = told(
        "users of these profiles cannot see it, so Salesforce does not tell them who is unsubscribed; the sync works "
        "all the same. Field and profiles: %(fields)s",
        fields=fields,
    )
    fix = told(
        "open the field, Set Field-Level Security, and tick Visible for these profiles; Read-Only is enough for people"
    )
    return Check(sound.id, sound.title, "warn", why, fix, sound.link)


def _named(names: Iterable[str]) -> str:
    known = list(names)
    more = f" + {len(known) - NAMED_MAX}" if len(known) > NAMED_MAX else ""
    return ", ".join(known[:NAMED_MAX]) + more
