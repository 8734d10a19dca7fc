"""When a fault strikes, whatever it does."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.clock import Random
from practice_org.errors import RefusalError


@dataclass(kw_only=True)
class Fault:
    """Strikes requests of `route` (a pattern such as bulk.*) whose path and query contain `path`.

    The first `skip` occasions pass, then it strikes `times` times (None: for ever), each with probability `rate`.
    """

    kind: ClassVar[str]

    route: str = "*"
    path: str = ""
    skip: int = 0
    times: int | None = 1
    rate: float = 1.0
    struck: int = 0
    id: str = ""
    chance: Random = field(default_factory=lambda: Random(11), repr=False)

    def check(self) -> None:
        """Raises ValueError when the fields make no sense together."""
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or null for ever")

    def strikes(self, route: str, path: str) -> bool:
        """Whether this occasion is one of its own; counts it."""
        if not fnmatchcase(route, self.route) or self.path not in path:
            return False
        return self.spend()

    def spend(self) -> bool:
        """Uses up one occasion that fits."""
        if self.times is not None and self.struck >= self.times:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.rate < 1 and self.chance.random() >= self.rate:
            return False
        self.struck += 1
        return True


@dataclass(kw_only=True)
class RequestFault(Fault):
    """Replaces a request's answer, `before` its effect (which then never happens) or `after` it."""

    moment: str = "before"

    def check(self) -> None:
        """Raises ValueError when the fields make no sense together."""
        super().check()
        if self.moment not in ("before", "after"):
            raise ValueError("moment must be before or after")

    async def answer(self, request: Request) -> Response | None:
        """The answer instead of the true one; None lets the true one through."""
        raise NotImplementedError


@dataclass(kw_only=True)
class JobFault(Fault):
    """Fails a whole Bulk job, as ten failed tries of a batch do (salesforce.md 3.2)."""

    kind: ClassVar[str] = "fail_job"
    route: str = "bulk.*"
    message: str = "InternalServerError : Retried more than 10 times"
    after_records: int = 0
    """Rows of an ingest job that are processed before; the rest stays unprocessed."""


@dataclass
class Page:
    """One page of Bulk results on its way out, for faults to spoil."""

    header: bytes
    locator: str
    body_bytes: int
    body_bytes_max: int | None = None
    inserted: tuple[int, bytes] | None = None
    """Bytes that do not belong there, and before which byte of the body they stand."""
    cut: bool = False


@dataclass(kw_only=True)
class ResultFault(Fault):
    """Spoils a page of Bulk results."""

    route: str = "bulk.query.results"

    def spoil(self, page: Page) -> None:
        """Changes the page in place."""
        raise NotImplementedError


@dataclass(kw_only=True)
class RecordFault(Fault):
    """Refuses single records of any write through the API."""

    records: list[str] | None = None
    """The 18-character ids it strikes; None strikes any."""
    object: str = ""
    """Lead or Contact; empty strikes both."""

    def refusal(self) -> RefusalError:
        """What the record's owner is told."""
        raise NotImplementedError


class Faults:
    """The faults on order, asked in the order in which they came."""

    def __init__(self) -> None:
        self.ordered: list[Fault] = []
        self._count = 0

    def add(self, fault: Fault) -> str:
        """Takes a fault in; returns its id."""
        self._count += 1
        fault.id = str(self._count)
        self.ordered.append(fault)
        return fault.id

    def clear(self) -> None:
        """Forgets all faults."""
        self.ordered.clear()

    def for_request(self, moment: str, route: str, path: str) -> RequestFault | None:
        """The first fault that strikes this request at that moment."""
        for fault in self.ordered:
            if isinstance(fault, RequestFault) and fault.moment == moment and fault.strikes(route, path):
                return fault
        return None

    def for_results(self, route: str, path: str) -> list[ResultFault]:
        """All faults that strike this page of results."""
        return [fault for fault in self.ordered if isinstance(fault, ResultFault) and fault.strikes(route, path)]

    def for_job(self, route: str, job_id: str) -> JobFault | None:
        """The first fault that strikes this job."""
        for fault in self.ordered:
            if isinstance(fault, JobFault) and fault.strikes(route, job_id):
                return fault
        return None

    def for_record(self, object_name: str, record_id: str) -> RefusalError | None:
        """The refusal of the first fault that strikes this record."""
        for fault in self.ordered:
            if not isinstance(fault, RecordFault) or fault.object not in ("", object_name):
                continue
            if (fault.records is None or record_id in fault.records) and fault.spend():
                return fault.refusal()
        return None
