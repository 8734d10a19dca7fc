"""The evidence about one person as plain text, for a letter or a ticket."""

from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from optsync.web.history import Told
from optsync.web.templatetags.web import took


def letter_of(person: dict[str, Any]) -> str:
    """What the page of a person shows, as text: newest first, to the millisecond, in UTC."""
    state = _("Blocked") if person["blocked"] else _("Mail allowed")
    lines = [person["normal"], f"{state}: {person['why']}"]
    lines += [_("Wants no e-mails from: %(senders)s") % {"senders": person["stopped"]}] if person["stopped"] else []
    lines += [f"{_('Blocked since')} {utc(person['since'])}"] if person["since"] else []
    stands = person["compliance"]
    lines += [f"{_('Compliance')}: {stands['line']}"] if stands and stands["line"] else []
    lines += ["", *map(line_of_record, person["records"])]
    for record in person["gone"]:
        lines.append(f"{record['kind']} {record['record_id']}: {_('deleted in Salesforce on')} {utc(record['at'])}")
    for proof in person["proofs"]:
        run = _("Sync run %(n)s") % {"n": proof["run_id"]}
        lines.append(f"{run}: {_('equal on both sides')}, {utc(proof['at'])}")
    lines += [""] * bool(lines[-1])
    for told in person["timeline"]:
        lines += lines_of(told)
    return "\n".join(lines)


def line_of_record(record: dict[str, Any]) -> str:
    """One record of the letter with its boxes, and what it became."""
    became = f" → {record['successor']}" if record["successor"] else ""
    owed = ", ".join(f"{box['field']}: {box['state']}" for box in record["boxes"])
    return f"{record['kind']} {record['record_id']}{became}: {owed or _('nothing owed')}"


def utc(at: datetime) -> str:
    """A moment to the millisecond, the same wherever it is read."""
    return at.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", " UTC")


def lines_of(told: Told) -> list[str]:
    """One event of the letter: what happened, and below it what was kept as proof."""
    duration = "" if told.took_seconds is None else f" ({took(told.took_seconds)})"
    run = f" · {_('Sync run %(n)s') % {'n': told.entry.run_id}}" if told.entry.run_id else ""
    return [
        f"{utc(told.entry.at)} · {told.details}{duration} · {told.source}{run}",
        *(f"    {name}: {value}" for name, value in told.facts),
    ]
