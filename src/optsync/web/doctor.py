"""Settings > Salesforce > Doctor: what stands between an unsubscribe and Salesforce, with the fix beside each.

The checks are those of `optsync doctor`. Looking changes nothing, so the page is a GET and "Run again" is the same GET;
the canary makes a Lead of its own, so it is a POST.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.config.django_start import handed_over
from optsync.connection import doctor as doctors
from optsync.connection.checks import Check
from optsync.connection.connect import Connection
from optsync.core.told import in_language
from optsync.web.middleware import needs
from optsync.web.shell import chosen_org, page
from optsync.web.templatetags.web import moment
from optsync.web.troubles import capitalised

SIGNS = {"pass": ("ok", "✓"), "warn": ("warn", "!"), "fail": ("bad", "✕"), "skip": ("idle", "–")}

WORST_FIRST = ("fail", "warn", "skip", "pass")


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def doctor(request: HttpRequest, *, connecting: bool = False) -> HttpResponse:
    """Every check of one org, on POST with the canary; with `connecting` as a step of the wizard."""
    org = chosen_org(request)
    context: dict[str, Any] = {"org": org, "connecting": connecting, "step": "doctor"}
    if org is not None:
        found = checks_of(org.org_id, canary=request.method == "POST")
        checks = sorted((row_of(check) for check in found), key=lambda row: WORST_FIRST.index(row["state"]))
        asks_admin = [row for row in checks if row["place"] == "salesforce" and row["state"] in ("warn", "fail")]
        context |= verdict_of(found) | {
            "groups": [
                (_("In Salesforce"), [row for row in checks if row["place"] == "salesforce"]),
                (_("Here"), [row for row in checks if row["place"] == "here"]),
            ],
            "for_admin": letter_to_admin(org, asks_admin) if asks_admin else "",
            "checked_at": desk().seams.now(),
        }
    return page(request, "doctor", "settings", **context)


def checks_of(org_id: int, *, canary: bool) -> list[Check]:
    """What the doctor finds in an org now."""
    here = desk()
    return doctors.run(
        here.connection(),
        lambda: here.vault,
        org_id,
        here.database,
        here.seams,
        public_url=handed_over().public_url,
        canary=canary,
    )


def row_of(check: Check) -> dict[str, Any]:
    """One check in the reader's language."""
    tone, sign = SIGNS[check.state]
    return {
        "id": check.id,
        "kind": check.id.partition(".")[0],
        "state": check.state,
        "place": check.place,
        "tone": tone,
        "sign": sign,
        "word": word_of(check.state),
        "title": in_language(check.title, _),
        "why": capitalised(in_language(check.why, _)),
        "fix": capitalised(in_language(check.fix, _)),
        "link": check.link,
    }


def word_of(state: str) -> str:
    """The state as a word: colour and sign alone are not for everybody."""
    return {"pass": _("Pass"), "warn": _("Warning"), "fail": _("Fail"), "skip": _("Skipped")}[state]


def verdict_of(found: list[Check]) -> dict[str, Any]:
    """The worst state with its tone and how many checks are in it."""
    for state in ("fail", "warn", "pass"):
        count = sum(check.state == state for check in found)
        if count:
            break
    tone, sign = SIGNS[state]
    return {"verdict": state, "tone": tone, "sign": sign, "count": count}


def letter_to_admin(org: Connection, rows: list[dict[str, Any]]) -> str:
    """What somebody else must put right in Salesforce, as plain text to be sent to them."""
    head = _("optsync keeps e-mail unsubscribes in step with %(org)s (%(id)s). Checked %(when)s.")
    lines = [head % {"org": org.name, "id": org.salesforce_id, "when": moment(desk().seams.now())}]
    lines.append(_("Please put this right in Salesforce Setup:"))
    for number, row in enumerate(rows, 1):
        lines += ["", f"{number}. {row['title']}: {row['word']}"]
        lines += [f"   {_('Why')}: {row['why']}", f"   {_('What to do')}: {row['fix']}"]
        lines += [f"   {row['link']}"] if row["link"] else []
    return "\n".join(lines)
