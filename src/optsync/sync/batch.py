"""The marks of one claim on their way to Salesforce. What is settled leaves the batch; the rest is given back."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from optsync.core.addresses import normalize
from optsync.core.record_ids import Kind, prefix_of
from optsync.core.rejections import RetryClass, explain
from optsync.core.retry import next_delay_seconds
from optsync.ledger import marks, people
from optsync.ledger.marks import ClaimedMark, Key
from optsync.ledger.people import Link
from optsync.salesforce import collections
from optsync.salesforce.collections import Tick
from optsync.salesforce.errors import ApiRefused, Busy, LimitExceeded, SalesforceError, Unreachable
from optsync.sync import follow, records
from optsync.sync.follow import Followed
from optsync.sync.line import HIDDEN_SECONDS, ORG_WIDE_CODES, Line
from optsync.sync.records import Row
from optsync.sync.refusals import Refusal, failed_together

SUSPECT_ATTEMPTS: Final = 3
"""After so many failures of a whole call its records are tried in halves: one of them may be the cause."""
SEARCH_CALLS_MAX: Final = 40
"""Calls of one round that look for the record on which code of the org fails. One among 200 is found with 18."""
OUT_OF_SIGHT: Final = "INVALID_CROSS_REFERENCE_KEY: Salesforce does not show this record to us"

Rows = dict[str, Row | None]


@dataclass(slots=True)
class PushResult:
    """What a round did, in marks. `calls` are update calls; `more` says that the claim was full, so more may be due."""

    looked_up: int = 0
    claimed: int = 0
    already_true: int = 0
    ticked: int = 0
    put_off: int = 0
    parked: int = 0
    calls: int = 0
    more: bool = False


@dataclass
class Batch:
    """`open` holds the marks that are claimed and not settled yet, `sent` those that were ticked but not confirmed."""

    line: Line
    result: PushResult
    open: dict[Key, ClaimedMark] = field(repr=False)
    sent: list[Key] = field(default_factory=list, repr=False)
    _to_follow: list[Refusal] = field(default_factory=list, repr=False)
    _search_calls: int = field(default=0, repr=False)

    def run(self, seen: dict[str, Row]) -> None:
        """Brings every mark to its end. Raises SalesforceError when the org as a whole is in trouble."""
        rows = self.read(seen)
        self.relink(rows)
        self.follow(rows)
        self.confirm_true(rows)
        for part in self._parts():
            self.tick(part)
        self.follow_refused()

    def read(self, seen: dict[str, Row]) -> Rows:
        """The records of the open marks as Salesforce shows them now; marks of a hidden field leave the batch."""
        rows: Rows = {}
        for kind, of_kind in _by_kind(self.open.values()):
            while of_kind:
                try:
                    rows |= self._read_kind(of_kind, seen)
                    break
                except ApiRefused as error:
                    if not self._pause_hidden(kind, error):
                        raise
                    of_kind = [mark for mark in of_kind if mark.key in self.open]
        return rows

    def relink(self, rows: Rows) -> None:
        """Stores changed e-mails before anything is written: the opt-out follows the person (rules 4)."""
        moved: dict[str, Link] = {}
        for mark in self.open.values():
            row = rows.get(mark.record_id)
            if row is not None and row.email and row.email != mark.normal and normalize(row.email) != mark.normal:
                moved[row.record_id] = Link(row.record_id, row.kind, row.email)
        if moved:
            people.link(self.line.conn, self.line.subject_key, self.line.org_id, list(moved.values()), "e")

    def follow(self, rows: Rows) -> None:
        """Hands converted, merged and deleted records over; their marks are gone afterwards."""
        wanted = {record_id: rows.get(record_id) for _, record_id in self.open}
        missing = [record_id for record_id, row in wanted.items() if row is None]
        converted = [row for row in wanted.values() if row is not None and row.is_converted]
        if missing or converted:
            self._settle_followed(follow.follow(self.line, missing, converted))

    def confirm_true(self, rows: Rows) -> None:
        """A box known to be true is not written (requirement 12)."""
        keys = [key for key in self.open if (row := rows.get(key[1])) is not None and key[0] in row.ticked]
        self.result.already_true += self._confirm(self._still_mine(keys), found_ticked=True)

    def tick(self, part: Sequence[ClaimedMark], *, allow_save: bool = False, searching: bool = False) -> None:
        """Ticks up to 200 boxes in one call. Connection and claims are checked right before it is sent (rules 10).

        `searching` says that some of them are innocent of a refusal that all of them met.
        """
        mine = set(self._still_mine([mark.key for mark in part if mark.key in self.open]))
        part = [mark for mark in part if mark.key in mine]
        if not part:
            return
        self.line.check_connected()
        ticks = [self._tick_of(mark) for mark in part]
        self.result.calls += 1
        try:
            results = collections.tick(self.line.session, ticks, allow_save=allow_save)
        except SalesforceError as error:
            self._refused_whole(part, error, allow_save=allow_save)
            return
        self.sent = [mark.key for mark, one in zip(part, results, strict=True) if one.ok]
        self.result.ticked += self._confirm(self.sent)
        self.sent = []
        refusals = [
            Refusal(mark, one.code, one.message or "") for mark, one in zip(part, results, strict=True) if not one.ok
        ]
        suspects = failed_together(refusals) if self._search_calls < SEARCH_CALLS_MAX else []
        if suspects and (searching or self._passes_alone(suspects, allow_save=allow_save)):
            self._search_calls += 2
            left = [mark for mark in suspects if mark.key in self.open]
            # In another order every day: where many are the cause, others come to stand beside them.
            self._tick_in_halves(self.line.seams.random.sample(left, len(left)), allow_save=allow_save)
        self._settle_refusals([one for one in refusals if one.mark.key in self.open], may_insist=not allow_save)

    def follow_refused(self) -> None:
        """Records that turned out to be converted or gone while we wrote: found again, else tried again soon."""
        refused, self._to_follow = self._to_follow, []
        if refused:
            self._settle_followed(follow.follow(self.line, {refusal.mark.record_id for refusal in refused}))
            self._put_off([refusal for refusal in refused if refusal.mark.key in self.open])

    def put_back(self) -> None:
        """Gives what is still open back untried."""
        self._release(list(self.open))

    def put_off_all(self, reason: str) -> None:
        """Gives what is still open back, to be tried again later."""
        self._put_off([Refusal(mark, None, reason) for mark in self.open.values()], RetryClass.RETRY)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _read_kind(self, of_kind: Sequence[ClaimedMark], seen: dict[str, Row]) -> Rows:
        fields = sorted({mark.field for mark in of_kind})
        ids = list(dict.fromkeys(mark.record_id for mark in of_kind))
        rows: Rows = {r: seen[r] for r in ids if r in seen and seen[r].has_read(fields)}
        missing = [record_id for record_id in ids if record_id not in rows]
        for _, found in records.by_id(self.line.session, missing, [self.line.fields[one] for one in fields]):
            rows |= found
        return rows

    def _pause_hidden(self, kind: Kind, error: ApiRefused) -> bool:
        """Pauses the field that Salesforce says is not there, or the whole object; False for any other trouble."""
        if explain(error.code, error.text).retry is not RetryClass.PAUSE or error.code in ORG_WIDE_CODES:
            return False
        self._pause(kind, error.code, error.text)
        return True

    # --- writing -----------------------------------------------------------------------------------------------------

    def _parts(self) -> Iterator[list[ClaimedMark]]:
        ordered = sorted(self.open.values(), key=lambda mark: (mark.kind, mark.record_id))
        for start in range(0, len(ordered), collections.MAX_TICKED_RECORDS):
            yield ordered[start : start + collections.MAX_TICKED_RECORDS]

    def _tick_of(self, mark: ClaimedMark) -> Tick:
        return Tick(mark.kind, mark.record_id, self.line.fields[mark.field].name_on(mark.kind))

    def _still_mine(self, keys: list[Key]) -> list[Key]:
        """Those of the claims that are still ours; the others leave the batch, whoever has them settles them."""
        if not keys:
            return []
        mine = marks.still_mine(self.line.conn, self.line.worker_no, self.line.org_id, keys)
        for key in set(keys).difference(mine):
            del self.open[key]
        return mine

    def _refused_whole(self, part: Sequence[ClaimedMark], error: SalesforceError, *, allow_save: bool) -> None:
        """A call that failed as a whole: halved until its cause stands alone, paused, or trouble of the whole org."""
        if isinstance(error, ApiRefused) and _is_about_records(error, part):
            if len(part) == 1:
                self._settle_refusals([Refusal(part[0], error.code, error.text)], may_insist=False)
                return
            self._tick_in_halves(part, allow_save=allow_save)
            return
        if not isinstance(error, Unreachable) or error.maybe_applied:
            # Each mark waits its own time, so that a call that always fails does not hold up the others.
            refusals = [Refusal(mark, error.code or type(error).__name__, error.message) for mark in part]
            if not isinstance(error, LimitExceeded):
                self._put_off(refusals, RetryClass.RETRY)
        raise error

    def _passes_alone(self, suspects: Sequence[ClaimedMark], *, allow_save: bool) -> bool:
        """Whether one of two, taken by chance, is ticked when sent alone: else it is no single record's fault."""
        before = self.result.ticked
        for mark in self.line.seams.random.sample(suspects, 2):
            self._search_calls += 1
            self.tick([mark], allow_save=allow_save)
            if self.result.ticked > before:
                return True
        return False

    def _tick_in_halves(self, part: Sequence[ClaimedMark], *, allow_save: bool) -> None:
        half = len(part) // 2
        self.tick(part[:half], allow_save=allow_save, searching=True)
        self.tick(part[half:], allow_save=allow_save, searching=True)

    # --- settling ----------------------------------------------------------------------------------------------------

    def _settle_refusals(self, refusals: Sequence[Refusal], *, may_insist: bool) -> None:
        insist = [refusal.mark for refusal in refusals if may_insist and refusal.code == "DUPLICATES_DETECTED"]
        later, parked = [], []
        for refusal in refusals:
            if refusal.mark in insist or refusal.mark.key not in self.open:
                continue
            if refusal.retry in (RetryClass.RETRY, RetryClass.SLOW) and refusal.code != "DUPLICATES_DETECTED":
                later.append(refusal)
            elif refusal.retry is RetryClass.FOLLOW:
                self._to_follow.append(refusal)
            elif refusal.retry is RetryClass.PAUSE and refusal.code not in ORG_WIDE_CODES:
                self._pause(refusal.mark.kind, refusal.code, refusal.message)
            elif refusal.retry is RetryClass.PARK or refusal.code == "DUPLICATES_DETECTED":
                parked.append(refusal)
            else:
                raise self._org_trouble(refusal)
        self._put_off(later)
        self._park(parked)
        if insist:
            self.tick(insist, allow_save=True)

    def _org_trouble(self, refusal: Refusal) -> SalesforceError:
        """A refusal of one record that speaks of the whole org, as the error it would have been for the whole call."""
        kind = LimitExceeded if refusal.retry is RetryClass.LIMIT else ApiRefused
        return kind(403, refusal.code, refusal.message)

    def _settle_followed(self, followed: Followed) -> None:
        gone = {*followed.handed_over, *followed.deleted}
        unseen = set(followed.out_of_sight)
        self._park(
            [Refusal(mark, *OUT_OF_SIGHT.split(": ", 1)) for mark in self.open.values() if mark.record_id in unseen]
        )
        self.open = {key: mark for key, mark in self.open.items() if key[1] not in gone}

    def _confirm(self, keys: Sequence[Key], *, found_ticked: bool = False) -> int:
        if not keys:
            return 0
        self._leave(keys)
        line = self.line
        key, worker_no = line.subject_key, line.worker_no
        return marks.confirm(line.conn, key, worker_no, line.org_id, keys, line.run_id, found_ticked=found_ticked)

    def _put_off(self, refusals: Sequence[Refusal], retry: RetryClass | None = None) -> None:
        if not refusals:
            return
        chance = self.line.seams.random.random
        failures = [
            (r.mark.field, r.mark.record_id, r.reason, next_delay_seconds(retry or r.retry, r.mark.attempts, chance()))
            for r in refusals
        ]
        self._leave([refusal.mark.key for refusal in refusals])
        self.result.put_off += marks.retry_later(self.line.conn, self.line.worker_no, self.line.org_id, failures)

    def _park(self, refusals: Sequence[Refusal]) -> None:
        if not refusals:
            return
        line = self.line
        failures = [(refusal.mark.field, refusal.mark.record_id, refusal.reason) for refusal in refusals]
        self._leave([refusal.mark.key for refusal in refusals])
        self.result.parked += marks.park(
            line.conn, line.subject_key, line.worker_no, line.org_id, failures, line.run_id
        )

    def _pause(self, kind: Kind, code: str | None, message: str) -> None:
        """One pause and one alert for a field of an object (or the whole object); its marks are given back untried."""
        line = self.line
        named = [one for one in line.fields.values() if one.name_on(kind) in message]
        field_no = max(named, key=lambda one: len(one.lead_name)).field if named else 0
        marks.pause(line.conn, line.org_id, field_no, prefix_of(kind), HIDDEN_SECONDS, code or "UNKNOWN", message)
        self._release([key for key, mark in self.open.items() if mark.kind == kind and field_no in (0, key[0])])

    def _release(self, keys: Sequence[Key]) -> None:
        if keys:
            self._leave(keys)
            marks.release(self.line.conn, self.line.worker_no, self.line.org_id, keys)

    def _leave(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.open.pop(key, None)


def _by_kind(of: Collection[ClaimedMark]) -> Iterator[tuple[Kind, list[ClaimedMark]]]:
    for kind, group in groupby(sorted(of, key=lambda mark: mark.kind), key=lambda mark: mark.kind):
        yield kind, list(group)


def _is_about_records(error: ApiRefused, part: Sequence[ClaimedMark]) -> bool:
    """Whether a whole call's refusal is due to one of its records: then halves find it."""
    if isinstance(error, LimitExceeded):
        return False
    if isinstance(error, Busy):
        return error.status == 500 and max(mark.attempts for mark in part) > SUSPECT_ATTEMPTS
    return error.status in (400, 404) and explain(error.code, error.text).retry is not RetryClass.RECONNECT
