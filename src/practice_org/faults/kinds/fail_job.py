"""A failed job."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import JobFault


@dataclass(kw_only=True)
class FailJob(JobFault):
    """A whole Bulk job fails, as after ten failed tries of a batch."""

    source: ClassVar[str] = "salesforce.md 3.2"
    client_must: ClassVar[str] = (
        "Take what was processed as done, send the rest another way, and not repeat the job for ever."
    )
