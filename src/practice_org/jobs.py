"""Bulk jobs: what each is, holds and says of itself (salesforce.md 3)."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from practice_org.ids import record_id
from practice_org.people import instant_text
from practice_org.spool import Spool
from practice_org.users import INTEGRATION_USER

JOB_PREFIX = "750"

FINAL_STATES = frozenset({"JobComplete", "Failed", "Aborted"})


@dataclass
class Job:
    """What query and ingest jobs share. `delimiter` and `line_end` are Salesforce's words, such as COMMA and LF."""

    id: str
    operation: str
    object_name: str
    version: str
    created_at: datetime
    state: str
    delimiter: str = "COMMA"
    line_end: str = "LF"
    error: str = ""
    processed: int = 0
    changed_at: datetime | None = None
    milliseconds: int = 0
    task: "asyncio.Task[None] | None" = None

    def as_created(self) -> dict[str, object]:
        """The job as the answer to its creation shows it."""
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.object_name,
            "createdById": INTEGRATION_USER,
            "createdDate": shown(self.created_at),
            "systemModstamp": shown(self.changed_at or self.created_at),
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version),
            "lineEnding": self.line_end,
            "columnDelimiter": self.delimiter,
        }

    def as_polled(self) -> dict[str, object]:
        """The job as GET shows it."""
        figures = {
            "numberRecordsProcessed": self.processed,
            "retries": 0,
            "totalProcessingTime": self.milliseconds,
        }
        return self.as_created() | figures | ({"errorMessage": self.error} if self.error else {})

    def finish(self, state: str, now: datetime, error: str = "") -> None:
        """Settles the job unless it was aborted meanwhile."""
        if self.state not in FINAL_STATES:
            self.state, self.error, self.changed_at = state, error, now
            self.milliseconds = int((now - self.created_at).total_seconds() * 1000)

    def stop(self) -> None:
        """Ends whatever still works on it."""
        if self.task is not None:
            self.task.cancel()


@dataclass
class QueryJob(Job):
    """A query or queryAll; its rows are in the spool once it is complete."""

    query: str = ""
    header: bytes = b""
    spool: Spool | None = None

    def as_polled(self) -> dict[str, object]:
        """Query jobs tell two things more."""
        return super().as_polled() | {"jobType": "V2Query", "isPkChunkingSupported": True}

    def stop(self) -> None:
        """Gives the disk space back too."""
        super().stop()
        if self.spool is not None:
            self.spool.close()
            self.spool = None


@dataclass
class IngestJob(Job):
    """Rows to write. `uploads` counts every PUT; only the first is allowed. `key` is the field of an upsert."""

    key: str = ""
    content: bytes = b""
    uploads: int = 0
    failed: int = 0
    columns: list[str] = field(default_factory=list)
    succeeded_rows: list[str] = field(default_factory=list)
    failed_rows: list[str] = field(default_factory=list)
    unprocessed_rows: list[str] = field(default_factory=list)

    def as_created(self) -> dict[str, object]:
        """An open job says where its content goes; the address has no leading slash."""
        address = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
        key = {"externalIdFieldName": self.key} if self.key else {}
        return super().as_created() | key | ({"contentUrl": address} if self.state == "Open" else {})

    def as_polled(self) -> dict[str, object]:
        """`numberRecordsProcessed` includes the failed ones."""
        times = {"apiActiveProcessingTime": self.milliseconds, "apexProcessingTime": 0}
        return super().as_polled() | {"jobType": "V2Ingest", "numberRecordsFailed": self.failed} | times


@dataclass
class Jobs:
    """The org's jobs by id."""

    by_id: dict[str, Job] = field(default_factory=dict)
    _count: int = 0

    def new_id(self) -> str:
        """The next job's id."""
        self._count += 1
        return record_id(JOB_PREFIX, self._count)

    def remove(self, job: Job) -> None:
        """Forgets one job and its results."""
        job.stop()
        self.by_id.pop(job.id, None)

    def close(self) -> None:
        """Forgets all jobs."""
        for job in list(self.by_id.values()):
            self.remove(job)


def shown(instant: datetime) -> str:
    """As REST shows instants, an offset without colon."""
    return instant_text(instant)[:-1] + "+0000"
