"""What the routes of query and ingest jobs share."""

from typing import TypeVar

from practice_org import clock
from practice_org.csv_rows import DELIMITERS, LINE_ENDINGS
from practice_org.errors import RefusalError, not_found
from practice_org.faults.base import JobFault
from practice_org.http import Call
from practice_org.jobs import Job
from practice_org.org import Org

AnyJob = TypeVar("AnyJob", bound=Job)


def find_job(call: Call, kind: type[AnyJob]) -> AnyJob:
    """The job of the path. Raises RefusalError NOT_FOUND."""
    wanted = call.params["id"]
    for job_id in (wanted, *(known for known in call.org.jobs.by_id if known[:15] == wanted)):
        job = call.org.jobs.by_id.get(job_id)
        if isinstance(job, kind):
            return job
    raise not_found()


def checked_layout(body: dict[str, object]) -> tuple[str, str]:
    """The words for delimiter and line ending. Raises RefusalError for an unknown one."""
    delimiter, line_end = str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF"))
    if delimiter not in DELIMITERS or line_end not in LINE_ENDINGS:
        raise RefusalError("INVALIDJOB", f"unknown columnDelimiter or lineEnding: {delimiter}, {line_end}")
    if body.get("contentType", "CSV") != "CSV":
        raise RefusalError("INVALIDJOB", "contentType must be CSV")
    return delimiter, line_end


async def wait_in_queue(org: Org, job: Job) -> JobFault | None:
    """From UploadComplete to InProgress, for as long as the org is told to take; the fault that strikes the job."""
    job.state = "InProgress"
    if org.behaviour.bulk_job_seconds:
        await clock.sleep(org.behaviour.bulk_job_seconds)
    return org.faults.for_job(f"bulk.{'query' if job.operation.startswith('query') else 'ingest'}", job.id)


def abort(call: Call, job: Job) -> None:
    """Stops a job that is not settled yet."""
    if job.state in ("JobComplete", "Failed"):
        raise RefusalError("INVALIDJOBSTATE", f"Aborting Job not allowed when the job is in {job.state} state")
    job.stop()
    job.state, job.changed_at = "Aborted", call.org.now()


def asked_state(call: Call) -> str:
    """The state that a PATCH asks for."""
    return str(call.json().get("state", ""))
