"""The control API under /practice/api: what tests and the demo do to the org. It never counts as an API call."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org import human
from practice_org.access import checked_level
from practice_org.errors import RefusalError
from practice_org.faults import make_fault
from practice_org.http import Call, answer
from practice_org.org import Flow, Org
from practice_org.schema import EMAIL_OPT_OUT
from practice_org.spy import Seen, Spy

Control = Callable[[Call], Awaitable[object]]


def routes(org: Org) -> list[Route]:
    """Every control, by path and method."""
    table: dict[str, dict[str, Control]] = {
        "/reset": {"POST": reset},
        "/records": {"POST": create, "GET": find},
        "/records/{id}": {"GET": show, "PATCH": edit},
        "/records/{id}/sharing": {"POST": share},
        "/records/{id}/lock": {"POST": lock},
        "/records/{id}/convert": {"POST": convert},
        "/records/{id}/merge": {"POST": merge},
        "/records/{id}/delete": {"POST": delete},
        "/records/{id}/undelete": {"POST": undelete},
        "/access": {"POST": grant},
        "/object-access": {"POST": grant_object},
        "/package": {"POST": package},
        "/faults": {"POST": add_fault, "GET": list_faults, "DELETE": clear_faults},
        "/flow": {"POST": flow},
        "/latency": {"POST": latency},
        "/limits": {"POST": limits},
        "/behaviour": {"POST": behaviour},
        "/app/certificate": {"POST": certificate},
        "/sessions/expire": {"POST": expire},
        "/spy": {"GET": spy, "DELETE": clear_spy},
        "/opted-out": {"GET": opted_out},
    }
    return [_route(org, "/practice/api" + path, controls) for path, controls in table.items()]


def _route(org: Org, path: str, controls: dict[str, Control]) -> Route:
    async def endpoint(request: Request) -> Response:
        call = Call(org, request, Seen(0.0, request.method, "control", path), await request.body())
        try:
            return answer(await controls[request.method](call))
        except RefusalError as refusal:
            return answer({"error": refusal.code, "message": refusal.message}, refusal.status)
        except (ValueError, TypeError, KeyError) as error:
            return answer({"error": type(error).__name__, "message": str(error)}, 400)

    return Route(path, endpoint, methods=list(controls))


async def reset(call: Call) -> object:
    """A fresh org; options left out are as at the start of the server."""
    call.org.reset(call.org.changed_options(_body(call)))
    return {"reset": True}


async def create(call: Call) -> object:
    """A record typed in by a person."""
    return {"id": human.create(call.org, call.json())}


async def find(call: Call) -> object:
    """The records with ?email=."""
    return human.find(call.org, call.query("email") or "")


async def show(call: Call) -> object:
    """One record with all fields, hidden ones too."""
    return human.show(*human.locate(call.org, call.params["id"]))


async def edit(call: Call) -> object:
    """A person's edit."""
    human.edit(call.org, call.params["id"], call.json())
    return await show(call)


async def convert(call: Call) -> object:
    """{"contact_id"?: id of an existing Contact, "copy_opt_out"?: bool}."""
    body = _body(call)
    contact_id = body.get("contact_id")
    into = str(contact_id) if contact_id else None
    return {"contact_id": human.convert(call.org, call.params["id"], into, copy_opt_out=_flag(body, "copy_opt_out"))}


async def merge(call: Call) -> object:
    """{"into": id of the survivor, "keep_opt_out"?: bool}."""
    body = call.json()
    human.merge(call.org, call.params["id"], str(body["into"]), keep_opt_out=_flag(body, "keep_opt_out"))
    return {"merged": True}


async def delete(call: Call) -> object:
    """To the recycle bin."""
    human.delete(call.org, call.params["id"])
    return {"deleted": True}


async def undelete(call: Call) -> object:
    """Out of the recycle bin."""
    human.undelete(call.org, call.params["id"])
    return {"undeleted": True}


async def grant(call: Call) -> object:
    """{"object", "field", "access": absent, read or edit}."""
    body = call.json()
    call.org.access.grant(str(body["object"]), str(body["field"]), checked_level(body.get("access")))
    return {"granted": True}


async def grant_object(call: Call) -> object:
    """{"object", "access": absent, read or edit}."""
    body = call.json()
    call.org.access.grant_object(str(body["object"]), checked_level(body.get("access")))
    return {"granted": True}


async def share(call: Call) -> object:
    """{"access": absent, read or edit}: what sharing leaves our user of one record."""
    level = checked_level(call.json().get("access"))
    table, number = human.locate(call.org, call.params["id"])
    for members, chosen in ((table.unshared, "absent"), (table.read_only, "read")):
        (members.add if level == chosen else members.discard)(number)
    return {"access": level}


async def lock(call: Call) -> object:
    """{"locked": bool}: an approval process holds the record, or lets it go."""
    table, number = human.locate(call.org, call.params["id"])
    locked = bool(call.json()["locked"])
    (table.locked.add if locked else table.locked.discard)(number)
    return {"locked": locked}


async def package(call: Call) -> object:
    """{"installed": bool}."""
    call.org.access.install_package(installed=bool(call.json()["installed"]))
    return {"fields": call.org.access.package_fields}


async def add_fault(call: Call) -> object:
    """A fault by `kind`; the kinds and their fields are in practice_org.faults."""
    return {"id": call.org.faults.add(make_fault(call.json()))}


async def list_faults(call: Call) -> object:
    """The faults on order and how often each struck."""
    return [{"id": fault.id, "kind": fault.kind, "struck": fault.struck} for fault in call.org.faults.ordered]


async def clear_faults(call: Call) -> object:
    """Forgets all faults."""
    call.org.faults.clear()
    return {"faults": 0}


async def flow(call: Call) -> object:
    """{"unsets": bool, "rate"?: 0 to 1}."""
    body = call.json()
    call.org.flow = Flow(unsets=bool(body["unsets"]), rate=_number(body, "rate", 1.0))
    return {"unsets": call.org.flow.unsets}


async def latency(call: Call) -> object:
    """{"ms": for every request but the controls}."""
    call.org.latency_ms = _number(call.json(), "ms", 0.0)
    return {"ms": call.org.latency_ms}


async def limits(call: Call) -> object:
    """{"daily"?: N, "used"?: M, "bulk_queries_left"?: Bulk query jobs as GET /limits tells them; none is refused}."""
    body, known = call.json(), call.org.limits
    known.daily = int(_number(body, "daily", known.daily))
    known.used = int(_number(body, "used", known.used))
    known.bulk_queries_left = int(_number(body, "bulk_queries_left", known.bulk_queries_left))
    return vars(known)


async def behaviour(call: Call) -> object:
    """Switches for what is not certain about the real thing, by name."""
    call.org.behaviour.change(call.json())
    return vars(call.org.behaviour)


async def certificate(call: Call) -> object:
    """{"pem"}: a certificate that an administrator uploads to the app; from now on JWTs are signed with its key."""
    public = load_pem_x509_certificate(str(call.json()["pem"]).encode()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    call.org.identity = replace(call.org.identity, public_key_pem=pem)
    return {"uploaded": True}


async def expire(call: Call) -> object:
    """Ends all sessions; {"long_lived": true} also the one of the credentials file."""
    call.org.sessions.expire_all(long_lived=bool(_body(call).get("long_lived")))
    return {"expired": True}


async def spy(call: Call) -> object:
    """What the org saw."""
    return call.org.spy.as_json()


async def clear_spy(call: Call) -> object:
    """Starts counting afresh."""
    call.org.spy = Spy()
    return {"cleared": True}


async def opted_out(call: Call) -> object:
    """Live records whose box is ticked, by object; ?field= defaults to Email Opt Out."""
    return human.count_opted_out(call.org, call.query("field") or EMAIL_OPT_OUT)


def _body(call: Call) -> dict[str, object]:
    return call.json() if call.body else {}


def _flag(body: dict[str, object], name: str) -> bool | None:
    value = body.get(name)
    return None if value is None else bool(value)


def _number(body: dict[str, object], name: str, default: float) -> float:
    value = body.get(name, default)
    if not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number")
    return float(value)
