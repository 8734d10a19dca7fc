"""Deployments by REST: a zip goes in, its state is asked for until it is done (salesforce.md 5.9)."""

import asyncio
import json

from starlette.responses import Response
from starlette.routing import Route

from practice_org import clock, deploy_zip
from practice_org.deploy_plan import Plan
from practice_org.deploy_zip import BadZipError, Package
from practice_org.deployments import DEFAULT_OPTIONS, PREFIX, Component, Deployment, Failure, as_json
from practice_org.errors import RefusalError, not_found
from practice_org.http import Call, answer, route
from practice_org.maintenance import in_maintenance
from practice_org.metadata_xml import BadXmlError
from practice_org.multipart import parts
from practice_org.org import Org


def routes(org: Org) -> list[Route]:
    """One address to deploy to, and one for each deployment."""
    path = "/services/data/v{version}/metadata/deployRequest"
    return [
        route(org, path, POST=("metadata.deploy", deploy)),
        route(org, path + "/{id}", GET=("metadata.status", show), PATCH=("metadata.cancel", cancel)),
    ]


async def deploy(call: Call) -> Response:
    """201 with the id; the work begins when the answer is on its way."""
    org = call.org
    check_rights(org)
    found = parts(call.header("content-type"), call.body)
    if "json" not in found or "file" not in found:
        raise RefusalError("INVALID_MULTIPART_REQUEST", "Multipart message must include the parts json and file")
    options = _options(found["json"])
    if org.edition.is_production and options["rollbackOnError"] is not True:
        raise RefusalError("INVALID_OPERATION", "rollbackOnError must be true for deployments to production")
    deployment = Deployment(org.row_ids.new(PREFIX), options, org.now())
    org.deployments.by_id[deployment.id] = deployment
    org.deployments.start(asyncio.create_task(_run(org, deployment, found["file"])))
    return answer({"id": deployment.id, "deployOptions": options}, 201)


def check_rights(org: Org) -> None:
    """Raises RefusalError when our user may not use the Metadata API, or nobody may now."""
    if org.read_only:
        raise in_maintenance(status=503)
    if not (org.permissions.has("modify_metadata") or org.permissions.has("modify_all_data")):
        text = "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions"
        raise RefusalError("INSUFFICIENT_ACCESS", text, status=org.behaviour.metadata_refused_status)


def _options(part: bytes) -> dict[str, object]:
    try:
        given = json.loads(part)["deployOptions"]
        return DEFAULT_OPTIONS | dict(given)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusalError("JSON_PARSER_ERROR", "the part json needs an object deployOptions") from error


async def _run(org: Org, deployment: Deployment, content: bytes) -> None:
    await clock.sleep(org.behaviour.deploy_seconds)
    if deployment.done:
        return
    try:
        package = deploy_zip.read(content, single=deployment.options["singlePackage"] is True)
    except BadZipError as error:
        deployment.error = ("INVALID_ZIP_FILE", str(error))
    except BadXmlError as error:
        failure = Failure(Component("package.xml", "", "package.xml"), error.problem, error.line, error.column)
        deployment.failures = (failure,)
    else:
        _take(org, deployment, package)
    deployment.status = _outcome(deployment)
    deployment.completed_at = org.now()


def _take(org: Org, deployment: Deployment, package: Package | None) -> None:
    """Takes the steps that can be taken, none at all where one failure rolls everything back."""
    if package is None:
        deployment.failures = (Failure(Component("package.xml", "", "package.xml"), "No package.xml found"),)
        return
    options = deployment.options
    plan = Plan(org, package, allow_missing=options["allowMissingFiles"] is True)
    plan.make()
    deployment.failures = tuple(plan.failures)
    if plan.failures and (options["rollbackOnError"] is True or options["checkOnly"] is True):
        return
    deployment.steps = tuple(plan.steps)
    if options["checkOnly"] is not True:
        for step in plan.steps:
            step.take()
        org.settle()


def _outcome(deployment: Deployment) -> str:
    if deployment.error or (deployment.failures and not deployment.steps):
        return "Failed"
    return "SucceededPartial" if deployment.failures else "Succeeded"


async def show(call: Call) -> Response:
    """How far it is; with ?includeDetails=true also what became of each component."""
    deployment = _asked(call)
    detailed = (call.query("includeDetails") or "").lower() == "true"
    return answer({"id": deployment.id, "deployResult": as_json(deployment, detailed=detailed)})


async def cancel(call: Call) -> Response:
    """202; what is done already stays done."""
    deployment = _asked(call)
    asked = call.json().get("deployResult")
    if not isinstance(asked, dict) or asked.get("status") != "Canceling":
        raise RefusalError("INVALID_FIELD", "a deployment can only be asked to be Canceling")
    if not deployment.done:
        deployment.status, deployment.completed_at = "Canceled", call.org.now()
    return answer({"id": deployment.id, "deployResult": as_json(deployment, detailed=False)}, 202)


def _asked(call: Call) -> Deployment:
    wanted = call.params["id"]
    found = next((one for known, one in call.org.deployments.by_id.items() if wanted in (known, known[:15])), None)
    if found is None:
        raise not_found()
    return found
