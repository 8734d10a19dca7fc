"""Jobs of Bulk API 1.0 and their batches: what each holds and says of itself (salesforce.md 3.3)."""

from dataclasses import dataclass, field

from practice_org.bulk_v1_wire import Info
from practice_org.jobs import IngestJob, Job, QueryJob, shown


@dataclass
class Batch:
    """One piece of a job. `work` does it: a query, or rows to write."""

    id: str
    work: QueryJob | IngestJob
    results: list[Info] = field(default_factory=list)
    """One for each row that was written."""

    @property
    def result_id(self) -> str:
        """Of a query's one result."""
        return "752" + self.id[3:]


@dataclass
class BatchJob(Job):
    """A job of Bulk API 1.0."""

    content_type: str = "CSV"
    key: str = ""
    batches: list[Batch] = field(default_factory=list)

    def stop(self) -> None:
        """Gives up its batches too."""
        super().stop()
        for batch in self.batches:
            batch.work.stop()


_STATES = {"UploadComplete": "Queued", "InProgress": "InProgress", "JobComplete": "Completed", "Failed": "Failed"}


def batch_info(job: BatchJob, batch: Batch) -> Info:
    """A batch as it is told."""
    work = batch.work
    failed = work.failed if isinstance(work, IngestJob) else 0
    told: Info = {"stateMessage": work.error} if work.error else {}
    return {
        "id": batch.id,
        "jobId": job.id,
        "state": _STATES.get(work.state, "NotProcessed"),
        **told,
        "createdDate": shown(work.created_at),
        "systemModstamp": shown(work.changed_at or work.created_at),
        "numberRecordsProcessed": work.processed,
        "numberRecordsFailed": failed,
        "totalProcessingTime": work.milliseconds,
        "apiActiveProcessingTime": work.milliseconds,
        "apexProcessingTime": 0,
    }


def job_info(job: BatchJob) -> Info:
    """A job as it is told, with the figures of all its batches."""
    states = [batch_info(job, batch) for batch in job.batches]

    def counted(state: str) -> int:
        return sum(known["state"] == state for known in states)

    def total(figure: str) -> int:
        return sum(int(str(known[figure])) for known in states)

    created = job.as_created()
    kept = ("id", "operation", "object", "createdById", "createdDate", "systemModstamp", "state")
    key: Info = {"externalIdFieldName": job.key} if job.key else {}
    return {
        **{name: created[name] for name in kept},
        **key,
        "concurrencyMode": "Parallel",
        "contentType": job.content_type,
        "numberBatchesQueued": counted("Queued"),
        "numberBatchesInProgress": counted("InProgress"),
        "numberBatchesCompleted": counted("Completed"),
        "numberBatchesFailed": counted("Failed"),
        "numberBatchesTotal": len(states),
        "numberRecordsProcessed": total("numberRecordsProcessed"),
        "numberRetries": 0,
        "apiVersion": created["apiVersion"],
        "numberRecordsFailed": total("numberRecordsFailed"),
        "totalProcessingTime": total("totalProcessingTime"),
        "apiActiveProcessingTime": total("apiActiveProcessingTime"),
        "apexProcessingTime": 0,
    }
