"""The ledger's own words as people read them. A word that is missing here is shown as it is stored.

No Django here, and no database driver: `optsync sync --help` loads this. The command line speaks English; pages hand in
gettext as `translate`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from optsync.core.rejections import Rejection, RetryClass, explain

if TYPE_CHECKING:
    from optsync.ledger.people import BoxMark, Disputed

Translate = Callable[[str], str]

KINDS = {
    "opted out": "Unsubscribed; blocked here at once",
    "repeated": "Unsubscribed once more; a tick had done it before",
    "confirmed": "Salesforce confirmed the box",
    "late write": "Our own late write",
    "lift asked": "Removal asked for; waits until every box is unticked",
    "lifted": "Unsubscribe removed",
    "lift ended": "The waiting removal ended: a box was ticked again",
    "converted": "The Lead was converted; its successor carries on",
    "merged": "The record was merged; its successor carries on",
    "record deleted": "The record was deleted in Salesforce; the address stays blocked",
    "parked": "Salesforce refused the box; it waits for a person",
    "not kept": "Salesforce accepted the tick and did not keep it",
    "reason given": "Said why",
    "erased": "Erased: only a keyed hash of the address is kept",
    "left a group": "Left one group or topic at the mail provider; not blocked here, as the settings say",
    "provider resubscribed": "The mail provider says resubscribed; optsync does not sync that",
    "user added": "A user was invited",
    "user role changed": "A user got another role; their sessions ended",
    "user removed": "A user was removed; their sessions ended",
    "signed out everywhere": "A user ended all their sessions",
    "sign-in added": "A user added a way to sign in",
    "sign-in removed": "A user removed a way to sign in",
    "sign-in changed": "A user set another password; their sessions ended",
    "sign-in link made": "The machine's operator made a way back in for a user",
    "API key made": "A key for a program was made",
    "API key replaced": "A key got a successor; it ends within a day",
    "API key revoked": "A key was revoked; it opens nothing any more",
    "settings changed": "The settings of the sync were changed",
    "connected": "An org was connected, or its sign-in renewed",
    "disconnected": "An org was disconnected; its credential was destroyed",
    "first run approved": "An admin gave the go for the first sync",
    "keys rotated": "Stored secrets were encrypted with a new key",
    "installed": "The opt-out field was installed from here",
    "installation undone": "What was installed from here was taken back",
    "target changed": "New unsubscribes are due in another field",
    "hold applied": "A mass change was applied",
    "hold dropped": "A mass change was dropped",
    "run undone": "What a sync run brought in was taken back",
    "file imported": "A file was imported",
    "exported": "A file was exported",
    "compliance set": "Compliance data set",
    "mark ended": "A box is no longer due",
    "dispute ended": "A disputed tick is gone from Salesforce",
    "pushes paused": "Pushes to Salesforce were paused",
    "domain blocked": "A domain was blocked",
    "domain allowed": "A domain is no longer blocked",
    "message text changed": "The words around the unsubscribe link were changed",
    "message text removed": "Words around the unsubscribe link were removed",
    "unsubscribe page changed": "The unsubscribe page was changed",
    "mail provider added": "A mail provider may tell us of unsubscribes",
    "mail provider changed": "What a mail provider says counts differently",
    "mail provider removed": "A mail provider is no longer listened to",
    "mail provider secret rotated": "A mail provider got a new secret",
    "webhook added": "A program elsewhere hears of what happens",
    "webhook removed": "A webhook was removed",
    "webhook enabled": "A webhook was switched on again",
    "webhook disabled": "A webhook was switched off",
    "webhook secret rotated": "A webhook got a new secret",
    "webhook resent": "A delivery was sent again",
    "webhook replayed": "What happened since a moment is sent again to a webhook",
    "webhook test": "A test event was sent",
    "alert channel added": "Somebody is told of problems",
    "alert channel removed": "Somebody is no longer told of problems",
    "sync finished": "A sync run ended",
    "sync held": "A mass change waits for a decision",
    "issue opened": "Something waits for a person",
    "issue resolved": "What waited for a person is put right",
    "issue muted": "An issue was muted until a day; it is still counted",
    "issue unmuted": "An issue is no longer muted",
    "connection lost": "Salesforce refuses our sign-in",
    "connection restored": "Salesforce takes our sign-in again",
}
SOURCES = {
    "clicked link": "Clicked Link",
    "one-click": "One-click",
    "mail": "By e-mail",
    "manual": "Manual",
    "bulk": "Bulk",
    "bounce": "Bounce",
    "complaint": "Spam complaint",
    "mail provider": "Mail provider",
    "import": "Import",
    "api": "API",
    "salesforce sync": "Salesforce Sync",
    "follows record": "Follows record",
}
ONE_SENDER = "Unsubscribed from one sender only; nothing is written to Salesforce"
REASONS = {
    "too_many": "too many e-mails",
    "irrelevant": "not relevant",
    "never_signed_up": "never signed up",
    "other": "another reason",
}
"""What people choose on the page that they unsubscribed on."""
EVENT_TYPES = {
    "unsubscribe.created": "somebody is unsubscribed here",
    "unsubscribe.confirmed": "Salesforce confirmed the box of a record",
    "unsubscribe.lifted": "an unsubscribe was removed on both sides",
    "sync.finished": "a sync run ended, with its result",
    "sync.held": "a mass change waits for a decision, from a sync run, an import or a batch",
    "issue.opened": "Salesforce refuses boxes for a new cause",
    "issue.resolved": "the last box of a cause was taken",
    "connection.lost": "Salesforce refuses our sign-in",
    "connection.restored": "the sign-in works again",
}
"""What programs elsewhere may hear of."""
RUN_KINDS = {
    "nightly": "Nightly",
    "by hand": "By hand",
    "first": "First",
    "dry run": "Dry run",
}
RUN_RESULTS = {
    "proved": "Proved",
    "partly done": "Partly done",
    "not proved": "Not proved",
    "failed": "Failed",
    "held": "Held",
    "waiting for go": "Waiting for your go",
    "dry run": "Nothing written",
    "running": "Running",
    "interrupted": "Interrupted, resumes",
    "asked": "Waits for the worker",
    "cancelled": "Cancelled",
}
STEPS = {
    "asked": "Waits for the worker",
    "starting": "Starting",
    "reading": "Reading",
    "reading Lead": "Reading Leads",
    "reading Contact": "Reading Contacts",
    "reading Account": "Reading Accounts",
    "comparing": "Comparing",
    "looking up": "Looking people up",
    "writing": "Writing",
    "proving": "Proving",
}
"""What a run is doing this moment."""
PREVIEW_REASONS = {
    "ticked in Salesforce": "ticked in Salesforce",
    "follows the record": "follows the record",
    "opted out here, box not ticked": "opted out here, the box is not ticked",
    "waits to be pushed": "waits to be pushed",
}
DISPUTED = "disputed"
RUN_COUNTS = {
    "compared": "Ticked boxes read in Salesforce",
    "swept": "Unticked records read, all of them",
    "changed": "Records read that changed since the night before",
    "differing": "Boxes that differed or stand on a converted Lead",
    "would_set": "Boxes that would be ticked in Salesforce",
    "already_set": "Boxes that are ticked already",
    "no_record": "Opted-out addresses without a Lead or Contact",
    "recorded": "People unsubscribed here by a tick there",
    "followed": "Opt-outs that followed a person to a new address",
    "looked_up": "Addresses looked up in Salesforce",
    "confirmed": "Boxes ticked in Salesforce by this run",
    "already_true": "Boxes found ticked when they were due",
    "put_off": "Boxes that Salesforce put off; tried again",
    "parked": "Boxes that Salesforce refused; waiting for a person",
    "held_in_people": "People ticked in Salesforce whose unsubscribe waits for your decision",
    "held_out_people": "People whose boxes wait for your decision",
    "expected_api_calls": "API calls that the run would cost, about",
    "expected_seconds": "Seconds that the run would take, about",
}
"""What a run counted, in the order in which it happens. Counts that are not named here are for developers: --json."""
RESTS = {
    "owed": "still on their way when the proof read",
    "held": "held for a decision or a lift",
    "parked": "waiting for a person",
    "contradicted": "not ticked although Salesforce said so",
    "no mark": "due, but nobody was told to tick them",
    "newer": "ticked while the proof read",
    "not read": "in a field that we cannot see",
    "inbound: contradicted": "ticked in Salesforce, and the person is not opted out here",
    "inbound: held": "ticked in Salesforce, and the person waits for a decision",
    "inbound: new": "ticked in Salesforce while the run was going",
    "inbound: disputed": "ticked in Salesforce, and disputed here",
    "inbound: dead": "of records that were converted or merged",
    "inbound: lifted during the run": "lifted here while the run was going",
}
PROVENANCES = {
    "given id": "given id",
    "exact e-mail": "same e-mail",
    "event": "event",
    "nightly": "nightly sync",
    "conversion": "conversion",
    "merge": "merge",
}
BOX_STATES = {
    "owed": "on its way",
    "confirmed": "ticked in Salesforce",
    "held": "held",
    "parked": "waits for a person",
}
DROPPED_TICK = "ticked in Salesforce, not counted: mass change %(n)s was dropped"
UNDONE_TICK = "ticked in Salesforce, not counted: sync run %(n)s was undone"
MARK_REASONS = {
    "brake": "in a mass change that waits for a decision",
    "fan-out": "too many records share the address; waits for a decision",
    "fan-out refused": "too many records share the address; refused",
    "hold dropped": "its mass change was dropped",
    "carried": "waits for the first comparison in the new field",
    "lift": "a removal waits",
    "lift, unticked": "a removal waits; seen unticked",
}
"""Why a mark waits, where it is our own reason and not Salesforce's."""
ORIGINS = {
    "mails without a link": "mails without a link",
    "the form for damaged links": "the form for damaged links",
    "import": "the file %(name)s",
    "batch by": "many at once, by %(name)s",
}
"""Where mass changes come from that are of no sync run."""
NOT_KEPT = "NOT_KEPT"
OUR_REFUSALS = {
    "fan-out refused": (
        "Too many records share the address",
        "Nobody needs to act: you refused to tick them all. The address stays blocked here.",
    ),
    "hold dropped": (
        "The mass change was dropped",
        "Nobody needs to act: you dropped it.",
    ),
    NOT_KEPT: (
        "Salesforce did not keep the tick",
        "A flow, a trigger or another integration unticks the box. Find it in Salesforce, stop it.",
    ),
}
"""Title and next step of boxes that wait for a person for a reason that Salesforce has no code for."""

REFUSED_CALLS = {
    "wrong secret": "wrong secret. Paste the newest address at the provider, all of it.",
    "no secret": "no secret. Paste the whole address, with what stands before the @.",
    "wrong signature": "wrong signature. Enter the provider's signing key anew.",
    "a signature of another day": "its signature was more than a day old. Does the clock of this machine go right?",
    "a signature that was used before": "its signature stood under another event before. Somebody may have seen a call "
    "of the provider: make a new address and a new signing key.",
    "a signing key that cannot be decrypted here": "the key file of this machine cannot read the provider's signing "
    "key. Bring the right key file back, or enter the signing key anew. The provider sends the call again.",
    "a body that is not the JSON of this provider's events": "it was not one of this provider's events. Is it the "
    "address of another provider, or of another kind of event?",
    "a body that is no mail of this provider": "it was no mail of this provider that could be read.",
    "a mail that names nobody": "it was a mail that carries no link and whose subject does not ask for it: nobody was "
    "unsubscribed by it. Look into the mailbox.",
    "a body that breaks off": "it broke off. The provider sends it again.",
    "a body of more than 4 MB": "it was longer than 4 MB. Let the provider send fewer events at a time.",
    "another SNS topic": "another SNS topic. Enter the ARN of the one that calls, if it is yours.",
    "a certificate that is not Amazon's": "a certificate that is not Amazon's. Somebody may try to pass as Amazon.",
    "an address to confirm that is not Amazon's": "an address that is not Amazon's. Somebody may try to "
    "pass as Amazon.",
    "a kind of signature that Amazon does not use": "a signature that is not Amazon's.",
    "a wrong signature": "a signature that is not Amazon's.",
    "a type of message that SNS does not have": "it was no message of Amazon SNS.",
    "Amazon did not answer": "Amazon did not answer when it was asked for its certificate. It sends the message again.",
}
"""Why a call of a mail provider was refused (webhooks/incoming.py), with what to do."""
LAYOUTS = {
    "plain list": "plain list",
    "Salesforce ids": "table with Salesforce ids",
    "own columns": "columns that you chose",
    "Salesforce report": "Salesforce report",
    "optsync export": "export of optsync",
    "optsync people": "export of optsync: people",
    "optsync ids": "export of optsync: Salesforce ids",
    "compliance data": "table with compliance data",
}
"""Layouts whose name is not that of a product."""
UPLOAD_STATES = {
    "reading": "Being read",
    "read": "Waits for your go",
    "importing": "Being imported",
    "imported": "Imported",
    "refused": "Not imported",
}
UPLOAD_STEPS = {
    "reading": "Reading the rows",
    "linking": "Linking Salesforce records",
    "recording": "Recording the unsubscribes",
    "compliance": "Recording the compliance data",
}
"""What a worker does with a file."""
REJECTED_ROWS = {
    "neither an e-mail address nor a record id": "neither an e-mail address nor a record id",
    "no e-mail address": "no e-mail address",
    "not an e-mail address": "not an e-mail address",
    "its quotes do not match": "its quotes do not match",
    "more than an address on its line": "more than an address on its line",
    "no Salesforce id": "no Salesforce id",
    "unsubscribed from one tag only, not from all mail": "unsubscribed from one tag only, not from all mail",
    "its line is longer than 65,536 characters": "its line is longer than 65,536 characters",
    "the id is of another object than Lead, Contact or Account": (
        "the id is of another object than Lead, Contact or Account"
    ),
    "not a Salesforce id: 15 or 18 letters and digits are expected": (
        "not a Salesforce id: 15 or 18 letters and digits are expected"
    ),
    "the last three characters do not fit the first fifteen: were its capitals changed on the way?": (
        "the last three characters of the id do not fit the others: were its capitals changed on the way?"
    ),
}
COMPLIANCE_FIELDS = {
    "authorization_type": "Authorization type",
    "authorization_note": "Note on the authorization",
    "consent_date": "Date of consent",
    "consent_purpose": "Purpose of processing",
    "source_type": "Source type",
    "source_note": "Note on the source",
}
COMPLIANCE_WRONG = {
    "no such authorization type": "no such authorization type",
    "a consent needs its date and its purpose": "a consent needs its date and its purpose",
    "only a consent has a date and a purpose": "only a consent has a date and a purpose",
    "only the authorization type other has a note": "only the authorization type Other has a note",
    "no such source type": "no such source type",
    "only the source type other has a note": "only the source type Other has a note",
    "the consent date is no day: write it as 2026-03-31": "the consent date is no day: write it as 2026-03-31",
    "the consent date lies in the future": "the consent date lies in the future",
    "longer than 500 characters": "longer than 500 characters",
}
"""Why compliance data were not recorded (core/compliance.py)."""
AUTHORIZATIONS = {
    "consent": "Consent",
    "legitimate interest": "Legitimate interest",
    "performance of a contract": "Performance of a contract",
    "compliance with legal obligation": "Compliance with legal obligation",
    "protection of vital interests": "Protection of vital interests",
    "public interest/official authority": "Public interest/official authority",
    "other": "Other",
}
SOURCE_TYPES = {
    "crm sync": "CRM sync",
    "import": "Import",
    "manual upload": "Manual upload",
    "chrome extension": "Chrome extension",
    "other": "Other",
}
NOT_LINKED = "recorded, but not linked: "
NOT_LINKED_SHORT = "recorded, but not linked"

WHY = {
    "blocked domain": "Nobody at this domain is mailed.",
    "unsubscribed; the removal waits until every box in Salesforce is unticked": (
        "Unsubscribed; the removal waits until every box in Salesforce is unticked."
    ),
    "unsubscribed from this sender": "Unsubscribed from this sender.",
    "in a mass change that waits for a decision": "In a mass change that waits for a decision.",
    "this is not one e-mail address; ask for one at a time": "This is not one e-mail address.",
}
UNSUBSCRIBED = "Unsubscribed"
ALLOWED = "Not unsubscribed: mail is allowed."
UNKNOWN = "This address is not known here: mail is allowed."


def compliance_line(data: Mapping[str, object], translate: Translate = str) -> str:
    """Compliance data on one line; empty where none is recorded."""
    basis, origin = str(data.get("authorization_type") or ""), str(data.get("source_type") or "")
    parts = [
        translate(AUTHORIZATIONS.get(basis, basis)) if basis else "",
        *(str(data.get(name) or "") for name in ("consent_date", "consent_purpose", "authorization_note")),
        translate(SOURCE_TYPES.get(origin, origin)) if origin else "",
        str(data.get("source_note") or ""),
    ]
    return ", ".join(part for part in parts if part)


def state_of_box(mark: "BoxMark", translate: Translate = str) -> str:
    """What a box is owed, with the reason of a wait."""
    state = translate(BOX_STATES[mark.state])
    return f"{state} ({translate(MARK_REASONS.get(mark.reason, mark.reason))})" if mark.reason else state


def disputed_box(box: "Disputed", translate: Translate = str) -> str:
    """Why the tick of a box opts nobody out."""
    if box.hold_id is not None:
        return translate(DROPPED_TICK) % {"n": box.hold_id}
    return translate(UNDONE_TICK) % {"n": box.run_id}


def refusal_of(code: str, said: str, translate: Translate = str) -> Rejection:
    """Why boxes wait for a person, and what to do next; title and next step in the reader's language."""
    title, next_step = OUR_REFUSALS.get(code, ("", ""))
    if title:
        ours = Rejection(code, translate(title), "", translate(next_step), RetryClass.PARK)
        return replace(ours, act="retry") if code == NOT_KEPT else ours
    rejection = explain(code, said)
    return replace(rejection, title=translate(rejection.title), next=translate(rejection.next))


def origin_of_hold(origin: str, translate: Translate = str) -> str:
    """Where a mass change came from; the name of a file or of who sent it stands as it is."""
    for kind, text in ORIGINS.items():
        if origin == kind or origin.startswith(f"{kind} "):
            return translate(text) % {"name": origin.removeprefix(kind).strip()}
    return origin


def kind_of_run(kind: str, translate: Translate = str) -> str:
    """Nightly, by hand, first or dry run."""
    return translate(RUN_KINDS.get(kind, kind))


def result_of_run(result: str, translate: Translate = str) -> str:
    """How a run ended; a proof may carry a number of disputed ticks."""
    word, comma, disputed = result.partition(",")
    ended = translate(RUN_RESULTS.get(word, word))
    return f"{ended}, {translate(DISPUTED)}:{disputed.removesuffix(' disputed')}" if comma else ended


def counts_of_run(counts: Mapping[str, object], translate: Translate = str) -> list[tuple[str, int]]:
    """What a run counted, in words; what stayed at nought is left out, except how much was read."""
    found = [(name, text, counts.get(name)) for name, text in RUN_COUNTS.items()]
    return [(translate(text), n) for name, text, n in found if isinstance(n, int) and (n or name == "compared")]


def rest_of_run(verdict: str, translate: Translate = str) -> str:
    """Why a run could not prove some boxes."""
    return translate(RESTS.get(verdict, verdict))


def reason_of_reject(reason: str, translate: Translate = str) -> str:
    """Why a row of a file was not taken, or its record not linked."""
    if reason.startswith(NOT_LINKED):
        return f"{translate(NOT_LINKED_SHORT)}: {translate(reason.removeprefix(NOT_LINKED))}"
    return translate((REJECTED_ROWS | COMPLIANCE_WRONG).get(reason, reason))


def linked_by(provenance: str, translate: Translate = str) -> str:
    """How we know that a record belongs to an address."""
    return translate(PROVENANCES.get(provenance, provenance))


def why_blocked(why: str, known: bool, translate: Translate = str) -> str:
    """Why a person may not be mailed, or that nothing forbids it."""
    if not why:
        return translate(ALLOWED if known else UNKNOWN)
    source = why.removeprefix("unsubscribed (").removesuffix(")")
    if source in SOURCES:
        return f"{translate(UNSUBSCRIBED)} ({translate(SOURCES[source])})"
    return translate(WHY.get(why, why))
