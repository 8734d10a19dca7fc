"""Date words of SOQL, such as LAST_N_DAYS:3, as periods of whole days (salesforce.md 7).

The org's days are those of UTC, its weeks begin on Sunday, its fiscal year is the calendar year.
"""

import re
from datetime import date, timedelta

from practice_org.soql import malformed
from practice_org.statement import Compare, Group, Literal, Negation, Spelled, Within

_FIXED = re.compile(r"(LAST|THIS|NEXT)_(?:FISCAL_)?(WEEK|MONTH|QUARTER|YEAR)")
_COUNTED = re.compile(r"(LAST|NEXT)_N_(?:FISCAL_)?(DAY|WEEK|MONTH|QUARTER|YEAR)S:(\d+)")
_AGO = re.compile(r"N_(?:FISCAL_)?(DAY|WEEK|MONTH|QUARTER|YEAR)S_AGO:(\d+)")

_SINGLE_DAYS = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_DAY = timedelta(days=1)

Period = tuple[date, date]
"""The first day, and the day after the last."""


def period(word: str, today: date) -> Period:
    """What the word means today. Raises ValueError for an unknown word or a day beyond the calendar."""
    text = word.upper().replace("_90_DAYS", "_N_DAYS:90")
    try:
        if text in _SINGLE_DAYS:
            return _units("DAY", today, _SINGLE_DAYS[text], 1)
        if match := _FIXED.fullmatch(text):
            return _units(match[2], today, {"LAST": -1, "THIS": 0, "NEXT": 1}[match[1]], 1)
        if match := _AGO.fullmatch(text):
            return _units(match[1], today, -int(match[2]), 1)
        if match := _COUNTED.fullmatch(text):
            count = int(match[3])
            if match[1] == "NEXT":
                return _units(match[2], today, 1, count)
            # the current day belongs to the last n days, the current week or month does not to the last n of them
            return _units(match[2], today, -count, count + (match[2] == "DAY"))
    except OverflowError as error:
        raise ValueError(f"beyond the calendar: {word}") from error
    raise ValueError(f"no such date word: {word}")


def _units(unit: str, today: date, start: int, count: int) -> Period:
    """`count` units from the one that lies `start` units after the current one."""
    if unit in _MONTHS:
        size = _MONTHS[unit]
        current = (today.year * 12 + today.month - 1) // size
        return _month((current + start) * size), _month((current + start + count) * size)
    days = 1 if unit == "DAY" else 7
    first = today if unit == "DAY" else today - _DAY * (today.isoweekday() % 7)
    return first + _DAY * days * start, first + _DAY * days * (start + count)


def _month(number: int) -> date:
    year, month = divmod(number, 12)
    return date(year, month + 1, 1)


def spelled_out(condition: Compare | Within, kind: str, today: date) -> Spelled:
    """The same condition without date words, for a field of type date or datetime. Raises RefusalError."""
    if isinstance(condition, Within):
        if all(literal.kind != "date_word" for literal in condition.literals):
            return condition
        each = [spelled_out(Compare(condition.field, "=", item), kind, today) for item in condition.literals]
        return Negation(Group("or", tuple(each))) if condition.negated else Group("or", tuple(each))
    if condition.literal.kind != "date_word":
        return condition
    try:
        first, end = period(str(condition.literal.value), today)
    except ValueError as error:
        raise malformed(str(error)) from error
    field, clock = condition.field, "T00:00:00.000Z" if kind == "datetime" else ""
    since = Compare(field, ">=", Literal(kind, f"{first}{clock}"))
    before_end = Compare(field, "<", Literal(kind, f"{end}{clock}"))
    within = Group("and", (since, before_end))
    meanings: dict[str, Spelled] = {
        "=": within,
        "!=": Negation(within),
        ">=": since,
        "<": Compare(field, "<", since.literal),
        "<=": before_end,
        ">": Compare(field, ">=", before_end.literal),
    }
    return meanings[condition.operator]
