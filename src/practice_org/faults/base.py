"""When a fault strikes, whatever it does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.clock import Random
from practice_org.errors import RefusalError
from practice_org.faults.options import Option, option, options_of
from practice_org.faults.results import Page
from practice_org.spy import current_request


@dataclass(kw_only=True)
class Fault:
    """Strikes requests of `route` whose path and query contain `path`.

    The first `skip` occasions pass, then it strikes `times` times, each with probability `rate`. Every kind stands in
    a module of its own in `kinds`, which names it; the first paragraph of its docstring says what happens.
    """

    kind: ClassVar[str] = ""
    strikes_what: ClassVar[str] = ""
    source: ClassVar[str] = ""
    """Where it is known from."""
    client_must: ClassVar[str] = ""
    """What a good client makes of it."""

    route: str = option("*", "Requests of that name, as in the request log; patterns such as bulk.* too.")
    path: str = option("", "Only requests whose path and query contain this text.")
    skip: int = option(0, "So many occasions pass before it strikes.")
    times: int | None = option(1, "How often it strikes; null: for ever.", least=1)
    rate: float = option(1.0, "Probability with which it strikes on an occasion.", most=1)
    struck: int = 0
    id: str = ""
    chance: Random = field(default_factory=lambda: Random(11), repr=False)

    @classmethod
    def options(cls) -> list[Option]:
        """What can be chosen, its own options first."""
        return options_of(cls)

    def as_json(self) -> dict[str, object]:
        """The fault as the control API shows it."""
        chosen = {one.name: getattr(self, one.name) for one in self.options()}
        return {"id": self.id, "kind": self.kind, "struck": self.struck} | chosen

    def strikes(self, route: str, path: str) -> bool:
        """Whether this occasion is one of its own; counts it."""
        if not fnmatchcase(route, self.route) or self.path not in path:
            return False
        return self._spend()

    def _spend(self) -> bool:
        if self.times is not None and self.struck >= self.times:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.rate < 1 and self.chance.random() >= self.rate:
            return False
        self.struck += 1
        seen = current_request.get()
        if seen is not None:
            seen.faults.append(f"{self.kind} {self.id}")
        return True


@dataclass(kw_only=True)
class RequestFault(Fault):
    """Replaces a request's answer, `before` its effect (which then never happens) or `after` it."""

    strikes_what: ClassVar[str] = "a request"

    moment: str = option(
        "before", "Before the effect, which then never happens, or after it.", choices=("before", "after")
    )
    holding: str = option("", "Only requests whose path or body holds this text, such as a record's id.")

    def fits(self, moment: str, path: str, body: bytes) -> bool:
        """Whether it is about such a request at that moment; counts nothing."""
        return moment == self.moment and (self.holding in path or self.holding.encode() in body)

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        """The answer instead of the true one, which is None before the effect; None lets the true one through."""
        raise NotImplementedError


@dataclass(kw_only=True)
class AnswerFault(RequestFault):
    """Spoils the true answer, so the effect always happens."""

    strikes_what: ClassVar[str] = "a true answer"

    moment: str = option("after", "Always after the effect.", choices=("after",))

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        return None if true_answer is None else await self.spoil(request, true_answer)

    async def spoil(self, request: Request, answer: Response) -> Response:
        """The spoiled answer."""
        raise NotImplementedError


@dataclass(kw_only=True)
class JobFault(Fault):
    """Fails a whole Bulk job."""

    strikes_what: ClassVar[str] = "a Bulk job"

    route: str = option("bulk.*", "bulk.query, bulk.ingest or both; `path` is then the job's id.")
    message: str = option("InternalServerError : Retried more than 10 times", "The job's errorMessage.")
    after_records: int = option(0, "Rows of an ingest job that are processed before; the rest stays unprocessed.")


@dataclass(kw_only=True)
class ResultFault(Fault):
    """Spoils a file of Bulk results."""

    strikes_what: ClassVar[str] = "Bulk results"

    route: str = option("bulk.query.results", "bulk.query.results, bulk.ingest.results, or bulk.* for both.")

    def spoil(self, page: Page) -> None:
        """Changes the page in place."""
        raise NotImplementedError


@dataclass(kw_only=True)
class RecordFault(Fault):
    """Refuses single records of any update through the API."""

    strikes_what: ClassVar[str] = "a record"

    records: list[str] | None = option(None, "The 18-character ids it strikes; null strikes any.")
    object: str = option("", "Lead or Contact; empty strikes both.", choices=("", "Lead", "Contact"))

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

    def remove(self, fault_id: str) -> bool:
        """Forgets one fault; False when there is none of that id."""
        before = len(self.ordered)
        self.ordered = [fault for fault in self.ordered if fault.id != fault_id]
        return len(self.ordered) < before

    def clear(self) -> None:
        """Forgets all faults."""
        self.ordered.clear()

    def for_request(self, moment: str, route: str, path: str, body: bytes) -> RequestFault | None:
        """The first fault that strikes this request at that moment."""
        for fault in self.ordered:
            if isinstance(fault, RequestFault) and fault.fits(moment, path, body) and fault.strikes(route, path):
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
        """The refusal of the first fault that strikes it. A job's rows belong to the request that closed the job."""
        seen = current_request.get()
        route, path = (seen.route, seen.path) if seen is not None else ("", "")
        for fault in self.ordered:
            if not isinstance(fault, RecordFault) or fault.object not in ("", object_name):
                continue
            if (fault.records is None or record_id in fault.records) and fault.strikes(route, path):
                return fault.refusal()
        return None


def make_fault(kinds: Mapping[str, type[Fault]], values: Mapping[str, object]) -> Fault:
    """A fault from `kind` and that kind's options, as JSON has them. Raises ValueError."""
    kind = kinds.get(str(values.get("kind")))
    if kind is None:
        raise ValueError(f"kind must be one of {', '.join(kinds)}")
    options = {one.name: one for one in kind.options()}
    unknown = set(values) - set(options) - {"kind"}
    if unknown:
        raise ValueError(f"{kind.kind} has no {', '.join(sorted(unknown))}; it has {', '.join(options)}")
    return kind(**{name: options[name].check(value) for name, value in values.items() if name != "kind"})  # type: ignore[arg-type]  # checked
