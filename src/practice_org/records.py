"""The store: generated people, and on top of them only what has changed.

A `Table` holds one object. Records are numbered; ids follow from numbers. A change replaces the record's whole dict of
changes, never edits it, so that a shallow copy of `changes` is a snapshot.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from practice_org import ids
from practice_org.errors import entity_is_deleted, id_of_other_type, invalid_cross_reference, malformed_id
from practice_org.people import Crowd, instant_text
from practice_org.schema import PREFIXES, Value
from practice_org.sharing import Permissions, Sharing
from practice_org.users import USERS

Change = dict[str, Value]

SYSTEM_FLAGS = frozenset({"IsDeleted", "IsConverted", "IsPersonAccount"})


@dataclass
class Table:
    """All records of one object, live and binned. `deleted` and the ticked sets are always current."""

    crowd: Crowd
    checkboxes: Callable[[], frozenset[str]]
    """The names of the checkbox fields that exist now; their missing values are false."""
    changes: dict[int, Change] = field(default_factory=dict)
    sharing: Sharing = field(default_factory=lambda: Sharing(Permissions()))
    purged: set[int] = field(default_factory=set)
    """Records that have left the recycle bin for good; they are among the deleted ones."""
    deleted: set[int] = field(init=False)
    next_number: int = field(init=False)
    _ticked: dict[str, set[int]] = field(default_factory=dict)
    _changed_emails: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.next_number = self.crowd.total
        self.deleted = set(range(self.crowd.size, self.crowd.total))

    @property
    def name(self) -> str:
        """The object's API name."""
        return self.crowd.object_name

    @property
    def email_field(self) -> str:
        """The API name of the address by which records are found."""
        return "PersonEmail" if self.name == "Account" else "Email"

    def id_of(self, number: int) -> str:
        """The 18-character id."""
        return ids.record_id(self.crowd.prefix, number)

    def count(self) -> int:
        """Live records."""
        return self.next_number - len(self.deleted)

    def value(self, number: int, name: str) -> Value:
        """The current value of a field by its API name; a checkbox is never None. Owner.Name is the owner's."""
        if "." in name:
            relationship, _, rest = name.partition(".")
            user = self.value(number, f"{relationship}Id")
            return USERS.get(str(user), {}).get(rest)
        change = self.changes.get(number)
        if change is not None and name in change:
            return change[name]
        if number >= self.crowd.total:
            return False if name in self.checkboxes() or name in SYSTEM_FLAGS else None
        if name in self.checkboxes() or name == "IsPersonAccount":
            return number in self.ticked(name)
        return self.crowd.value(number, name)

    def ticked(self, name: str) -> set[int]:
        """The numbers of all records, binned ones too, whose checkbox is true now. Do not change the set."""
        if name not in self._ticked:
            members = self.crowd.ticked(name)
            for number, change in self.changes.items():
                if name in change:
                    (members.add if change[name] else members.discard)(number)
            self._ticked[name] = members
        return self._ticked[name]

    def without_email(self) -> set[int]:
        """The numbers of all records, binned ones too, that have no address."""
        members = self.crowd.without_email()
        for number, change in self.changes.items():
            if "Email" in change or number >= self.crowd.total:
                (members.discard if change.get("Email") else members.add)(number)
        return members

    def find(self, address: str) -> list[int]:
        """The numbers of all records, binned ones too, with that address, compared without case; ascending."""
        key = address.lower()
        candidates = {*self.crowd.find(key), *self._changed_emails.get(key, ())}
        return sorted(n for n in candidates - self.purged if str(self.value(n, self.email_field) or "").lower() == key)

    def locate(self, text: object) -> int:
        """The number of the record with that 15- or 18-character id, live or binned. Raises as an update does."""
        full = ids.normalise(text) if isinstance(text, str) else None
        if full is None:
            raise malformed_id(str(text))
        if not full.startswith(self.crowd.prefix):
            raise id_of_other_type(self.name, full)
        number = ids.number_of(full, self.crowd.prefix)
        if number is None or not 0 <= number < self.next_number or number in self.purged:
            raise invalid_cross_reference()
        return number

    def locate_live(self, text: object) -> int:
        """As `locate`; a binned record raises ENTITY_IS_DELETED."""
        number = self.locate(text)
        if number in self.deleted:
            raise entity_is_deleted()
        return number

    def locate_shared(self, text: object) -> int:
        """As `locate_live`, for our user: a record that is not shared is not there."""
        number = self.locate(text)
        if number in self.sharing.hidden:
            raise invalid_cross_reference()
        if number in self.deleted:
            raise entity_is_deleted()
        return number

    def excluded(self, *, binned: bool) -> set[int]:
        """The numbers that a query of our user leaves out. Do not change the set."""
        gone, hidden = self.purged if binned else self.deleted, self.sharing.hidden
        return gone | hidden if gone and hidden else gone or hidden

    def numbers(self, *, binned: bool = False) -> Iterator[int]:
        """Every record's number in order, binned ones only on request, purged ones never."""
        gone = self.purged if binned else self.deleted
        return (number for number in range(self.next_number) if number not in gone)

    def write(self, number: int, values: Change, *, by: str, at: datetime) -> None:
        """Stores values and stamps the record. No rule is checked here."""
        stamp = instant_text(at)
        stamps: Change = {"SystemModstamp": stamp, "LastModifiedDate": stamp, "LastModifiedById": by}
        old = self.changes.get(number)
        self.changes[number] = {**old, **values, **stamps} if old else {**values, **stamps}
        self._follow(number, values)

    def create(self, values: Change, *, by: str, at: datetime) -> int:
        """A new record; returns its number."""
        number = self.next_number
        self.next_number += 1
        born: Change = {"Id": self.id_of(number), "CreatedDate": instant_text(at), "CreatedById": by, "OwnerId": by}
        self.write(number, born | values, by=by, at=at)
        return number

    def bin(self, number: int, *, by: str, at: datetime, master: int | None = None) -> None:
        """Moves a record to the recycle bin; with `master` as the loser of a merge."""
        merged: Change = {} if master is None else {"MasterRecordId": self.id_of(master)}
        self.write(number, {"IsDeleted": True} | merged, by=by, at=at)
        self.deleted.add(number)

    def restore(self, number: int, *, by: str, at: datetime) -> None:
        """Takes a record out of the recycle bin."""
        self.write(number, {"IsDeleted": False, "MasterRecordId": None}, by=by, at=at)
        self.deleted.discard(number)

    def purge(self, number: int) -> None:
        """Takes a binned record out of the recycle bin for good: nobody finds it any more, not even queryAll."""
        self.purged.add(number)

    def snapshot(self) -> "Table":
        """A copy that later writes do not reach; O(changes)."""
        copy = Table(self.crowd, self.checkboxes, dict(self.changes), self.sharing.copy(), set(self.purged))
        copy.deleted = set(self.deleted)
        copy.next_number = self.next_number
        copy._ticked = {name: set(members) for name, members in self._ticked.items()}
        copy._changed_emails = self._changed_emails
        return copy

    def _follow(self, number: int, values: Change) -> None:
        """Keeps what `ticked` and `find` answer true after a write."""
        for name, members in self._ticked.items():
            if name in values:
                (members.add if values[name] else members.discard)(number)
        if "FirstName" in values or "LastName" in values:
            parts = (self.value(number, "FirstName"), self.value(number, "LastName"))
            self.changes[number]["Name"] = " ".join(str(part) for part in parts if part)
        email = values.get(self.email_field)
        if isinstance(email, str):
            self._changed_emails.setdefault(email.lower(), set()).add(number)


def object_of(record_id: str) -> str | None:
    """The object that an id belongs to by its prefix; None for a foreign prefix."""
    return next((name for name, prefix in PREFIXES.items() if record_id.startswith(prefix)), None)


def values_of(table: Table, number: int, names: Iterable[str]) -> Change:
    """Several values of one record."""
    return {name: table.value(number, name) for name in names}
