"""Record ids: 15 case-sensitive characters, or 18 with a suffix that survives case folding (salesforce.md 2.9)."""

from functools import lru_cache

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
FILLER = "Pr00000"
"""Between the object's prefix and the number: the number alone fills the last group of five characters."""
NUMBER_LENGTH = 5
CAPACITY = 62**NUMBER_LENGTH

_VALUES = {digit: value for value, digit in enumerate(DIGITS)}
_CAPITAL = {digit: int("A" <= digit <= "Z") for digit in DIGITS}


@lru_cache(maxsize=65_536)
def suffix_of(group: str) -> str:
    """The suffix character of one group of five: bit k (lowest first) is set where character k is A to Z."""
    bits = (
        _CAPITAL[group[0]]
        + 2 * _CAPITAL[group[1]]
        + 4 * _CAPITAL[group[2]]
        + 8 * _CAPITAL[group[3]]
        + 16 * _CAPITAL[group[4]]
    )
    return SUFFIX[bits]


@lru_cache(maxsize=4_096)
def to_18(id15: str) -> str:
    """The 18-character form of a 15-character id; a write asks for that of one record several times."""
    return id15 + suffix_of(id15[:5]) + suffix_of(id15[5:10]) + suffix_of(id15[10:])


def normalise(text: str) -> str | None:
    """The 18-character form of a 15- or 18-character id; None when it is neither or its suffix contradicts it."""
    if len(text) not in (15, 18) or not text.isascii() or not text.isalnum():
        return None
    full = to_18(text[:15])
    return full if len(text) == 15 or full == text else None


def record_id(prefix: str, number: int) -> str:
    """The 18-character id of record `number` (0 and up) of the object with that prefix; ids sort as numbers do."""
    digits = []
    for _ in range(NUMBER_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(DIGITS[digit])
    return to_18(prefix + FILLER + "".join(reversed(digits)))


def number_of(record_id_18: str, prefix: str) -> int | None:
    """The inverse of `record_id`; None for an id that this org never gives to that object."""
    if not record_id_18.startswith(prefix + FILLER):
        return None
    number = 0
    for digit in record_id_18[15 - NUMBER_LENGTH : 15]:
        number = number * 62 + _VALUES[digit]
    return number
