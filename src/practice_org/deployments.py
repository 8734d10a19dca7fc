"""Deployments: what is asked for, how far it is, and what became of each component (salesforce.md 5.9)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from practice_org.people import instant_text
from practice_org.users import FIRST_NAME, INTEGRATION_USER, LAST_NAME

PREFIX = "0Af"
DEFAULT_OPTIONS: dict[str, object] = {
    "allowMissingFiles": False,
    "autoUpdatePackage": False,
    "checkOnly": False,
    "ignoreWarnings": False,
    "performRetrieve": False,
    "purgeOnDelete": False,
    "rollbackOnError": False,
    "singlePackage": False,
}


@dataclass(frozen=True)
class Component:
    """A part of the org and the file that it comes in."""

    file: str
    kind: str
    full_name: str


@dataclass(frozen=True)
class Step:
    """One component that can be deployed; `is_new` tells whether it is created."""

    component: Component
    is_new: bool
    take: Callable[[], None]


@dataclass(frozen=True)
class Failure:
    """What is wrong with a component, and where in its file."""

    component: Component
    problem: str
    line: int = 0
    column: int = 0


@dataclass
class Deployment:
    """One deployment. `status` is Salesforce's word; what it did is known once it is done."""

    id: str
    options: dict[str, object]
    created_at: datetime
    status: str = "Pending"
    steps: tuple[Step, ...] = ()
    failures: tuple[Failure, ...] = ()
    error: tuple[str, str] | None = None
    """Code and message where the zip as a whole is of no use."""
    completed_at: datetime | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more will happen."""
        return self.completed_at is not None


@dataclass
class Deployments:
    """All deployments by id, and the work on them that is under way."""

    by_id: dict[str, Deployment] = field(default_factory=dict)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def start(self, task: "asyncio.Task[None]") -> None:
        """Keeps the work alive until it is done."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def close(self) -> None:
        """Ends all work."""
        for task in list(self.tasks):
            task.cancel()


def as_json(deployment: Deployment, *, detailed: bool) -> dict[str, object]:
    """The `deployResult` of a deployment; its components only when `detailed`."""
    steps, failures, options = deployment.steps, deployment.failures, deployment.options
    began = instant_text(deployment.created_at)
    ended = None if deployment.completed_at is None else instant_text(deployment.completed_at)
    result: dict[str, object] = {
        "checkOnly": options["checkOnly"],
        "completedDate": ended,
        "createdBy": INTEGRATION_USER,
        "createdByName": f"{FIRST_NAME} {LAST_NAME}",
        "createdDate": began,
        "done": deployment.done,
        "id": deployment.id,
        "ignoreWarnings": options["ignoreWarnings"],
        "lastModifiedDate": ended or began,
        "numberComponentErrors": len(failures),
        "numberComponentsDeployed": len(steps),
        "numberComponentsTotal": len(steps) + len(failures),
        "numberTestErrors": 0,
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "rollbackOnError": options["rollbackOnError"],
        "runTestsEnabled": False,
        "startDate": began,
        "status": deployment.status,
        "success": deployment.status == "Succeeded",
    }
    if deployment.error:
        result |= dict(zip(("errorStatusCode", "errorMessage"), deployment.error, strict=True))
    if detailed:
        result["details"] = {
            "componentFailures": [_failed(one, began) for one in failures],
            "componentSuccesses": [_taken(one, began) for one in steps],
            "runTestResult": {"numFailures": 0, "numTestsRun": 0, "totalTime": 0.0},
        }
    return result


def _failed(one: Failure, at: str) -> dict[str, object]:
    where = {"lineNumber": one.line, "columnNumber": one.column} if one.line else {}
    told = {"changed": False, "created": False, "problem": one.problem, "problemType": "Error", "success": False}
    return _message(one.component, at) | told | where


def _taken(one: Step, at: str) -> dict[str, object]:
    return _message(one.component, at) | {"changed": not one.is_new, "created": one.is_new, "success": True}


def _message(component: Component, at: str) -> dict[str, object]:
    return {
        "componentType": component.kind,
        "createdDate": at,
        "deleted": False,
        "fileName": component.file,
        "fullName": component.full_name,
        "warning": False,
    }
