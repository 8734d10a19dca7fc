"""Generated people: every record follows from (seed, object, number), so that millions of them take no memory.

Numbers run in blocks of 3,844 (62 x 62: one block is one value of the leading id characters). A `Plan` says who stands
at each place of a block: name, address, duplicate, without e-mail, converted. Blocks repeat the plan; the block's
number is part of the address, so that addresses differ: anna.berg@example.com, anna.berg2@example.com and so on.
An address is therefore found by arithmetic, without an index.

After the `size` records of `--leads` or `--contacts` come one per cent more that stand in the recycle bin: every other
one was merged into a live record.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from practice_org import names
from practice_org.clock import Random
from practice_org.ids import record_id
from practice_org.schema import PREFIXES, Value
from practice_org.users import INTEGRATION_USER

Maker = Callable[[int], Value]

BLOCK = 62 * 62
SAME_IN_EVERY_BLOCK = frozenset(
    {"LastName", "FirstName", "Name", "Title", "Phone", "OwnerId", "Company", "City", "LeadSource", "MailingCity"}
    | {"CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"}
)
"""Fields whose value at birth follows from the place alone."""
BORN_AT = datetime(2025, 3, 3, 8, 0, tzinfo=UTC)
"""Generated records were created and last changed within the six months after this instant."""

CONTACTS_PER_ACCOUNT = 3
"""Generated Contacts work for generated companies."""
SHARE_WITHOUT_EMAIL = 0.02
SHARE_LEAD_AND_CONTACT = 0.05
SHARE_SAME_OBJECT = 0.02
SHARE_CONVERTED = 0.03
BINNED_PER_RECORD = 0.01

_ADDRESS = re.compile(r"([a-z]+\.[a-z]+)(\d*)@([a-z.]+)")


class Person(NamedTuple):
    """Who stands at one place of the plan. `stem` and `domain` are None for a person without e-mail."""

    first: str
    last: str
    stem: str | None
    domain: str | None

    def email(self, block: int) -> str | None:
        """The address in that block; None for a person without e-mail."""
        return None if self.stem is None else f"{self.stem}{block + 1 if block else ''}@{self.domain}"


@dataclass(frozen=True)
class Plan:
    """Both objects' places, and where each address stem stands: (stem, domain) to (object, place)."""

    people: dict[str, list[Person]]
    converted: list[int]
    places: dict[tuple[str, str], list[tuple[str, int]]]


@lru_cache(maxsize=4)
def make_plan(seed: int) -> Plan:
    """The plan of that seed; the same seed gives the same plan for ever."""
    chance = Random(seed)
    half = len(names.LAST) // 2
    people = {
        "Contact": _people(chance, names.LAST[:half]),
        "Lead": _people(chance, names.LAST[half:]),
    }
    contacts, leads = people["Contact"], people["Lead"]
    order = list(range(BLOCK))
    chance.shuffle(order)
    converted, shared, doubled = _split(order, SHARE_CONVERTED, SHARE_LEAD_AND_CONTACT, SHARE_SAME_OBJECT)
    for place in converted + shared:
        leads[place] = contacts[place]
    for group in (leads, contacts):
        for place in doubled:
            group[place] = group[place - 1]
        for place in chance.sample(range(BLOCK), int(BLOCK * SHARE_WITHOUT_EMAIL)):
            group[place] = group[place]._replace(stem=None, domain=None)
    return Plan(people, sorted(converted), _find_places(people))


def _people(chance: Random, last_names: tuple[str, ...]) -> list[Person]:
    pairs = [(first, last) for first in names.FIRST for last in last_names]
    chance.shuffle(pairs)
    return [
        Person(first, last, f"{first}.{last}".lower(), names.DOMAINS[chance.randrange(len(names.DOMAINS))])
        for first, last in pairs
    ]


def _split(order: list[int], *shares: float) -> list[list[int]]:
    parts, start = [], 0
    for share in shares:
        end = start + int(BLOCK * share)
        parts.append(order[start:end])
        start = end
    return parts


def _find_places(people: dict[str, list[Person]]) -> dict[tuple[str, str], list[tuple[str, int]]]:
    places: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for object_name, group in people.items():
        for place, person in enumerate(group):
            if person.stem is not None and person.domain is not None:
                places.setdefault((person.stem, person.domain), []).append((object_name, place))
    return places


@dataclass(frozen=True)
class Ticks:
    """A share of `size` numbers, scattered by a step without common divisor: members are counted out, not searched."""

    size: int
    count: int
    step: int
    start: int

    @classmethod
    def scatter(cls, size: int, percent: float, chance: Random) -> "Ticks":
        """About `percent` of `size`, rounded to the nearest whole number of members."""
        step = 1
        if size > 2:
            step = int(size * 0.6180339887) or 1
            while math.gcd(step, size) != 1:
                step += 1
        return cls(size, round(size * percent / 100), step, chance.randrange(size) if size else 0)

    def members(self) -> set[int]:
        """All ticked numbers; O(count)."""
        return {(self.start + k * self.step) % self.size for k in range(self.count)}


class Crowd:
    """The generated records of one object. `size` stand in lists and counts, `binned` more in the recycle bin."""

    def __init__(self, object_name: str, seed: int, size: int, contacts: int, ticks: dict[str, Ticks]) -> None:
        self.object_name = object_name
        self.contacts = contacts
        self.prefix = PREFIXES[object_name]
        self.size = size
        self.binned = int(size * BINNED_PER_RECORD)
        self.total = self.size + self.binned
        self.plan = make_plan(seed)
        self.people = self.plan.people.get(object_name, [])  # the generated Accounts are companies
        self._ticks = ticks
        self._convertible = min(size, contacts) if object_name == "Lead" else 0
        self._converted_places = frozenset(self.plan.converted) if self._convertible else frozenset()
        self._makers = _makers(self)

    def ticked(self, field: str) -> set[int]:
        """The numbers whose checkbox `field` is ticked at birth; also the converted Leads as IsConverted."""
        if field == "IsConverted":
            return self.converted()
        ticks = self._ticks.get(field)
        return ticks.members() if ticks else set()

    def converted(self) -> set[int]:
        """The numbers of converted Leads."""
        blocks = range(0, self._convertible, BLOCK)
        return {b + p for b in blocks for p in self._converted_places if b + p < self._convertible}

    def without_email(self) -> set[int]:
        """The numbers without an address, binned ones too."""
        places = [place for place, person in enumerate(self.people) if person.stem is None]
        live = {b + p for b in range(0, self.size, BLOCK) for p in places if b + p < self.size}
        return live | {n for n in range(self.size, self.total) if self.person(n)[0].stem is None}

    def converted_places(self, first: int) -> frozenset[int]:
        """The places of converted Leads in the block from `first` on."""
        if first + BLOCK <= self._convertible:
            return self._converted_places
        return frozenset(place for place in self._converted_places if first + place < self._convertible)

    def is_converted(self, number: int) -> bool:
        """Whether the Lead was converted into the Contact with the same number."""
        return number < self._convertible and number % BLOCK in self._converted_places

    def master_of(self, number: int) -> int | None:
        """The live record into which a binned one was merged; None for one that was merely deleted, or is live."""
        offset = number - self.size
        return offset if 0 <= offset < self.binned and offset % 2 == 0 else None

    def person(self, number: int) -> tuple[Person, int]:
        """The person and the block whose number is in the address; a merged record is a double of its master."""
        master = self.master_of(number)
        block, place = divmod(number if master is None else master, BLOCK)
        return self.people[place], block

    def value(self, number: int, field: str) -> Value:
        """The value at birth of any field but the checkboxes, which `ticked` tells."""
        maker = self._makers.get(field)
        return maker(number) if maker else None

    def field_names(self) -> list[str]:
        """The fields that have a value at birth, checkboxes aside."""
        return list(self._makers)

    def value_at(self, place: int, field: str) -> Value:
        """The value at birth of a field of SAME_IN_EVERY_BLOCK, for a live record at that place of any block."""
        if not self.people or field not in ("LastName", "FirstName", "Name"):
            return self.value(place, field)
        person = self.people[place]
        return {"LastName": person.last, "FirstName": person.first, "Name": f"{person.first} {person.last}"}[field]

    def find(self, address: str) -> list[int]:
        """The numbers whose address at birth is `address`, without regard to case; found by arithmetic."""
        match = _ADDRESS.fullmatch(address.lower())
        if match is None or match[2] == "1" or match[2].startswith("0"):
            return []
        first = (int(match[2] or 1) - 1) * BLOCK
        found = []
        for object_name, place in self.plan.places.get((match[1], match[3]), []):
            if object_name == self.object_name:
                found += self._standing_at(first + place)
        return found

    def _standing_at(self, number: int) -> list[int]:
        """The number itself if its address is its own, and the merged record that doubles it."""
        if number >= self.total or self.master_of(number) is not None:
            return []
        twin = self.size + number
        return [number, twin] if twin < self.total and self.master_of(twin) == number else [number]


@lru_cache(maxsize=2 * BLOCK)
def _instant(place: int) -> str:
    return instant_text(BORN_AT + timedelta(seconds=place * 4_100))


def instant_text(instant: datetime) -> str:
    """The stored form of an instant: whole seconds, as Salesforce keeps them."""
    return instant.isoformat()[:19] + ".000Z"


LAST_BIRTH = _instant(BLOCK - 1)
"""No generated record was changed after this instant."""


def _makers(crowd: Crowd) -> dict[str, Maker]:
    """What each field of a record holds at birth, by the record's number."""
    identity: dict[str, Maker] = {
        "Id": lambda n: record_id(crowd.prefix, n),
        "IsDeleted": lambda n: n >= crowd.size,
        "MasterRecordId": lambda n: None if (into := crowd.master_of(n)) is None else record_id(crowd.prefix, into),
    }
    stamps: dict[str, Maker] = {
        "OwnerId": lambda n: INTEGRATION_USER,
        "CreatedDate": lambda n: _instant(n % BLOCK),
        "CreatedById": lambda n: INTEGRATION_USER,
        "LastModifiedDate": lambda n: _instant(n % BLOCK),
        "LastModifiedById": lambda n: INTEGRATION_USER,
        "SystemModstamp": lambda n: _instant(n % BLOCK),
    }
    if crowd.object_name == "Account":
        return identity | stamps | {"Name": _pick(names.COMPANIES)}
    own = _contact_makers(crowd) if crowd.object_name == "Contact" else _lead_makers(crowd)
    return identity | _person_makers(crowd) | stamps | own


def _person_makers(crowd: Crowd) -> dict[str, Maker]:
    def name(number: int) -> Value:
        person = crowd.person(number)[0]
        return f"{person.first} {person.last}"

    def email(number: int) -> Value:
        person, block = crowd.person(number)
        return person.email(block)

    return {
        "LastName": lambda n: crowd.person(n)[0].last,
        "FirstName": lambda n: crowd.person(n)[0].first,
        "Name": name,
        "Title": _pick(names.TITLES),
        "Phone": lambda n: f"(555) 01{n % BLOCK % 100:02d}",
        "Email": email,
    }


def _contact_makers(crowd: Crowd) -> dict[str, Maker]:
    return {"AccountId": lambda n: _account_of(crowd, n), "MailingCity": _pick(names.CITIES)}


def _lead_makers(crowd: Crowd) -> dict[str, Maker]:
    def once_converted(maker: Maker) -> Maker:
        return lambda n: maker(n) if crowd.is_converted(n) else None

    return {
        "Company": _pick(names.COMPANIES),
        "City": _pick(names.CITIES),
        "LeadSource": _pick(names.SOURCES),
        "Status": lambda n: "Closed - Converted" if crowd.is_converted(n) else "Open - Not Contacted",
        "IsConverted": crowd.is_converted,
        "ConvertedDate": once_converted(lambda n: _instant(n % BLOCK)[:10]),
        "ConvertedContactId": once_converted(lambda n: record_id(PREFIXES["Contact"], n)),
        "ConvertedAccountId": once_converted(lambda n: _account_of(crowd, n)),
    }


def _pick(options: tuple[str, ...]) -> Maker:
    return lambda n: options[n % BLOCK % len(options)]


def _account_of(crowd: Crowd, number: int) -> str:
    """The Account of a Contact, and of a Lead that became it."""
    return record_id(
        PREFIXES["Account"], number // CONTACTS_PER_ACCOUNT % max(1, -(-crowd.contacts // CONTACTS_PER_ACCOUNT))
    )


def scatter_opt_outs(object_name: str, seed: int, size: int, percents: dict[str, float]) -> dict[str, Ticks]:
    """Which numbers are ticked at birth, for each opt-out field with a share above zero."""
    return {
        field: Ticks.scatter(size, percent, Random(f"{seed}/{object_name}/{field}"))
        for field, percent in percents.items()
        if percent
    }
