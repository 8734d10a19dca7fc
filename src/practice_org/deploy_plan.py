"""What a deployment would do, file by file: steps that can be taken, and what is wrong (salesforce.md 5.9)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from practice_org import custom_fields, metadata_xml
from practice_org.access import LEVELS_BY_RIGHTS, FieldLevels, ObjectRights
from practice_org.deploy_zip import Package
from practice_org.deployments import Component, Failure, Step
from practice_org.errors import RefusalError
from practice_org.layouts import BEHAVIOURS
from practice_org.metadata_xml import BadXmlError, Element
from practice_org.org import Org
from practice_org.permission_sets import PermissionSet
from practice_org.schema import PEOPLE
from practice_org.set_up_writes import SET_NAME, check_rights
from practice_org.sharing import COLUMNS


class ComponentError(Exception):
    """A component cannot be deployed, because of that place in its file."""

    def __init__(self, problem: str, at: Element) -> None:
        super().__init__(problem)
        self.problem, self.line, self.column = problem, at.line, at.column


_RIGHTS = {
    "allowCreate": "Create",
    "allowRead": "Read",
    "allowEdit": "Edit",
    "allowDelete": "Delete",
    "viewAllRecords": "ViewAllRecords",
    "modifyAllRecords": "ModifyAllRecords",
}
_KINDS = {"objects": ("object", "CustomObject"), "layouts": ("layout", "Layout")}
_KINDS |= {"permissionsets": ("permissionset", "PermissionSet")}
"""Folder to ending and type, in the order in which they depend on each other."""


@dataclass
class Plan:
    """All steps and failures; nothing is changed by making it."""

    org: Org
    package: Package
    allow_missing: bool = False
    steps: list[Step] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    new_fields: set[tuple[str, str]] = field(default_factory=set)
    """Object and lower-case name of fields that come with this deployment."""

    def make(self) -> None:
        """Goes through all files, and through package.xml for what is missing."""
        for folder, (ending, kind) in _KINDS.items():
            for name in sorted(self.package.files):
                if name.startswith(f"{folder}/"):
                    self._read_file(name, name.removeprefix(f"{folder}/"), ending, kind)
        for name in sorted(self.package.files):
            if name.partition("/")[0] not in _KINDS:
                self._fail(Component(name, "", name), f"this practice org deploys {', '.join(_KINDS)} only")
        if not self.allow_missing:
            self._find_missing()

    def _find_missing(self) -> None:
        parts = [one.component for one in self.steps] + [one.component for one in self.failures]
        done = {(part.kind, part.full_name) for part in parts}
        for kind, members in self.package.named.items():
            for member in sorted(members - {"*"}):
                if (kind, member) not in done:
                    text = f"An object '{member}' of type {kind} was named in package.xml, but was not found in zipped "
                    self._fail(Component("package.xml", kind, member), text + "directory")

    def _read_file(self, file: str, name: str, ending: str, kind: str) -> None:
        component = Component(file, kind, name.removesuffix(f".{ending}"))
        if not name.endswith(f".{ending}"):
            self._fail(component, f"files in this folder end in .{ending}")
            return
        try:
            root = metadata_xml.read(self.package.files[file])
            if root.name != kind:
                raise ComponentError(f"Error parsing file: {kind} expected, {root.name} found", root)
            if kind == "CustomObject":
                self._fields_of(component, root)
                return
            self._check_named(component, root)
            read = self._layout if kind == "Layout" else self._permission_set
            self.steps.append(read(component, root))
        except (BadXmlError, ComponentError) as error:
            self._fail(component, error.problem, error.line, error.column)

    def _check_named(self, component: Component, at: Element) -> None:
        if not self.package.names(component.kind, component.full_name):
            raise ComponentError("Not in package.xml", at)

    def _fail(self, component: Component, problem: str, line: int = 0, column: int = 0) -> None:
        self.failures.append(Failure(component, problem, line, column))

    def _has(self, object_name: str, name: str) -> bool:
        key = name.lower()
        return key in self.org.access.fields.get(object_name, {}) or (object_name.lower(), key) in self.new_fields

    def _fields_of(self, whole: Component, root: Element) -> None:
        """The custom fields in an object's file, each a component of its own; standard ones are passed over."""
        if whole.full_name not in PEOPLE:
            raise ComponentError(f"this practice org has no object {whole.full_name}", root)
        if self.package.names("CustomObject", whole.full_name):
            self.steps.append(Step(whole, is_new=False, take=lambda: None))
        for item in root.all("fields"):
            name = item.value("fullName") or ""
            if name.endswith("__c") or not self._has(whole.full_name, name):
                self._field(Component(whole.file, "CustomField", f"{whole.full_name}.{name}"), item)

    def _field(self, component: Component, item: Element) -> None:
        object_name, _, name = component.full_name.partition(".")
        known = {key for key in custom_fields.existing(self.org) if key != (object_name.lower(), name.lower())}
        try:
            if not self.package.names("CustomObject", object_name):
                self._check_named(component, item)
            wanted = custom_fields.checked(component.full_name, metadata_xml.as_tree(item), known | self.new_fields)
        except (RefusalError, ComponentError) as error:
            problem = error.message if isinstance(error, RefusalError) else error.problem
            self._fail(component, problem, item.line, item.column)
            return
        is_new = name.lower() not in self.org.access.fields[object_name]
        self.new_fields.add((object_name.lower(), name.lower()))
        self.steps.append(Step(component, is_new, lambda: custom_fields.put(self.org, wanted)))

    def _layout(self, component: Component, root: Element) -> Step:
        object_name, dash, _ = component.full_name.partition("-")
        if not dash or object_name not in ("Lead", "Contact"):
            raise ComponentError(f"this practice org has no layouts of {object_name}", root)
        check_layout(root, object_name, lambda name: self._has(object_name, name))
        tree = metadata_xml.as_tree(root)
        is_new = self.org.layouts.named(component.full_name) is None
        return Step(component, is_new, lambda: self.org.layouts.put(component.full_name, tree))

    def _permission_set(self, component: Component, root: Element) -> Step:
        label = root.value("label")
        if not label:
            raise ComponentError("Required field is missing: label", root)
        if not SET_NAME.fullmatch(component.full_name):
            raise ComponentError("The Permission Set API Name can only contain underscores and alphanumerics", root)
        given = PermissionSet("", component.full_name, label, root.value("description"))
        given.fields, given.rights, given.permissions = self._levels(root), self._rights(root), self._permissions(root)
        is_new = self.org.permission_sets.named(component.full_name) is None
        replaces = self.org.behaviour.permission_set_deploy_replaces
        return Step(component, is_new, lambda: self.org.permission_sets.put(given, replaces=replaces))

    def _levels(self, root: Element) -> FieldLevels:
        levels: FieldLevels = {}
        for item in root.all("fieldPermissions"):
            full_name = item.value("field") or ""
            object_name, _, name = full_name.partition(".")
            if object_name not in PEOPLE or not self._has(object_name, name):
                raise ComponentError(f"In field: field - no CustomField named {full_name} found", item)
            known = self.org.access.fields[object_name].get(name.lower())
            if known is not None and not known.permissionable:
                raise ComponentError(f"You cannot deploy to a required field: {full_name}", item)
            read, edit = (item.value(word) == "true" for word in ("readable", "editable"))
            if edit and not read:
                raise ComponentError(f"Permission Edit {full_name} depends on permission(s): Read {full_name}", item)
            levels[object_name, known.name if known else name] = LEVELS_BY_RIGHTS[read, edit]
        return levels

    def _rights(self, root: Element) -> ObjectRights:
        rights: ObjectRights = {}
        for item in root.all("objectPermissions"):
            object_name = item.value("object") or ""
            if object_name not in PEOPLE:
                raise ComponentError(f"In field: field - no CustomObject named {object_name} found", item)
            given = frozenset(right for word, right in _RIGHTS.items() if item.value(word) == "true")
            try:
                check_rights(given, object_name)
            except RefusalError as refusal:
                raise ComponentError(refusal.message, item) from refusal
            rights[object_name] = given
        return rights

    def _permissions(self, root: Element) -> set[str]:
        names = {column.removeprefix("Permissions"): name for name, column in COLUMNS.items()}
        found: set[str] = set()
        for item in root.all("userPermissions"):
            asked = item.value("name") or ""
            if asked not in names:
                raise ComponentError(f"Unknown user permission: {asked}", item)
            if item.value("enabled") == "true":
                found.add(names[asked])
        return found


def check_layout(root: Element, object_name: str, exists: Callable[[str], bool]) -> None:
    """Raises ComponentError for a field that is missing or stands there twice, and for a component without a type."""
    seen: set[str] = set()
    for item in _items(root):
        name = item.value("field")
        if name is None:
            continue
        if not exists(name):
            raise ComponentError(f"In field: field - no CustomField named {object_name}.{name} found", item)
        if name in seen:
            raise ComponentError(f"Duplicate field: {name} in layout", item)
        if item.value("behavior") not in BEHAVIOURS:
            raise ComponentError(f"'{item.value('behavior')}' is not a valid value for the enum 'UiBehavior'", item)
        seen.add(name)
    for feed in root.all("feedLayout"):
        for part in feed.children:
            if part.name.endswith("Components") and part.value("componentType") is None:
                raise ComponentError("Required field is missing: componentType", part)


def _items(root: Element) -> Iterator[Element]:
    for section in root.all("layoutSections"):
        for column in section.all("layoutColumns"):
            yield from column.all("layoutItems")
