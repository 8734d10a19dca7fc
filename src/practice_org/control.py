"""The control API under /practice/api: what tests and the demo do to the org. It never counts as an API call."""

import math
from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org import human
from practice_org.access import checked_level
from practice_org.edition import Edition
from practice_org.errors import RefusalError
from practice_org.faults.base import make_fault
from practice_org.faults.registry import KINDS, describe_kind
from practice_org.here import is_from_here
from practice_org.http import Call, answer
from practice_org.org import Flow, Org
from practice_org.row_locks import keys_of
from practice_org.rules import make_rule
from practice_org.schema import EMAIL_OPT_OUT
from practice_org.spy import Seen, Spy

Control = Callable[[Call], Awaitable[object]]


def routes(org: Org) -> list[Route]:
    """Every control, by path and method."""
    table: dict[str, dict[str, Control]] = {
        "/reset": {"POST": reset},
        "/state": {"GET": state},
        "/records": {"POST": create, "GET": find},
        "/records/{id}": {"GET": show, "PATCH": edit},
        "/records/{id}/sharing": {"POST": share},
        "/records/{id}/lock": {"POST": lock},
        "/records/{id}/row-lock": {"POST": lock_row},
        "/records/{id}/convert": {"POST": convert},
        "/records/{id}/person-account": {"POST": make_person},
        "/records/{id}/merge": {"POST": merge},
        "/records/{id}/delete": {"POST": delete},
        "/records/{id}/undelete": {"POST": undelete},
        "/records/{id}/purge": {"POST": purge},
        "/access": {"POST": grant},
        "/object-access": {"POST": grant_object},
        "/permissions": {"POST": permit},
        "/edition": {"POST": edition},
        "/rules": {"POST": add_rule, "DELETE": clear_rules},
        "/maintenance": {"POST": maintain},
        "/package": {"POST": package},
        "/layouts": {"POST": add_layout},
        "/layouts/item": {"POST": lay_out},
        "/lead-mapping": {"POST": map_lead_field},
        "/faults": {"POST": add_fault, "GET": list_faults, "DELETE": clear_faults},
        "/faults/kinds": {"GET": list_kinds},
        "/faults/{id}": {"DELETE": remove_fault},
        "/requests": {"GET": list_requests},
        "/flow": {"POST": flow},
        "/latency": {"POST": latency},
        "/limits": {"POST": limits},
        "/pubsub": {"POST": pubsub},
        "/behaviour": {"POST": behaviour},
        "/app/certificate": {"POST": certificate},
        "/sessions/expire": {"POST": expire},
        "/spy": {"GET": spy, "DELETE": clear_spy},
        "/opted-out": {"GET": opted_out},
    }
    return [_route(org, "/practice/api" + path, controls) for path, controls in table.items()]


def _route(org: Org, path: str, controls: dict[str, Control]) -> Route:
    async def endpoint(request: Request) -> Response:
        if not is_from_here(request, org):
            return answer({"error": "FORBIDDEN", "message": "controls answer to this machine only"}, 403)
        call = Call(org, request, Seen(0.0, request.method, "control", path), await request.body())
        try:
            return answer(await controls[request.method](call))
        except RefusalError as refusal:
            return answer({"error": refusal.code, "message": refusal.message}, refusal.status)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            return answer({"error": type(error).__name__, "message": str(error)}, 400)

    return Route(path, endpoint, methods=list(controls))


async def reset(call: Call) -> object:
    """A fresh org; options left out are as at the start of the server."""
    call.org.reset(call.org.changed_options(_body(call)))
    return {"reset": True}


async def state(call: Call) -> object:
    """How the org is set up, as lines by what they are about: two answers differ in what was changed in between."""
    org = call.org
    found: dict[str, Iterable[object]] = {
        "faults": (one.kind for one in org.faults.ordered if one.times is None or one.struck < one.times),
        "permissions": org.permissions.own,
        "fields": (f"{kind}.{name} {level}" for (kind, name), level in org.access.levels.items()),
        "objects": (f"{name} {level}" for name, level in org.access.objects.items()),
        "permission sets": (one.name for one in org.permission_sets.sets.values()),
        "layouts": (f"{one.full_name}: {name} {how}" for one in org.layouts.ordered for name, how in one.items()),
        "change events": (one.full_name for one in org.change_events.values()),
        "rules": org.rules.ordered,
        "lead mapping": org.lead_mapping.items(),
        "behaviour": vars(org.behaviour).items(),
        "the rest": (org.edition, (org.flow.unsets, org.flow.rate), org.latency_ms, org.read_only),
    }
    return {name: sorted(map(str, lines)) for name, lines in found.items()}


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


async def make_person(call: Call) -> object:
    """A Contact becomes a Person Account."""
    return {"account_id": human.make_person(call.org, call.params["id"])}


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


async def purge(call: Call) -> object:
    """Out of the recycle bin for good."""
    human.purge(call.org, call.params["id"])
    return {"purged": True}


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
    for members, chosen in ((table.sharing.unshared, "absent"), (table.sharing.read_only, "read")):
        (members.add if level == chosen else members.discard)(number)
    return {"access": level}


async def lock(call: Call) -> object:
    """{"locked": bool}: an approval process holds the record, or lets it go."""
    table, number = human.locate(call.org, call.params["id"])
    locked = bool(call.json()["locked"])
    (table.sharing.locked.add if locked else table.sharing.locked.discard)(number)
    return {"locked": locked}


async def lock_row(call: Call) -> object:
    """{"held": bool}: somebody else's transaction holds the row, and its Account's, or ends."""
    held, rows = bool(call.json()["held"]), call.org.row_locks
    keys = keys_of(*human.locate(call.org, call.params["id"]))
    (rows.take if held else rows.release)(keys)
    return {"held": held}


async def add_rule(call: Call) -> object:
    """A rule by `kind`; the kinds and their fields are in practice_org.rules."""
    org = call.org
    org.rules.add(make_rule(call.json()), org.access, org.now().date())
    return {"rules": len(org.rules.ordered)}


async def clear_rules(call: Call) -> object:
    """Forgets all rules."""
    call.org.rules.ordered.clear()
    return {"rules": 0}


async def maintain(call: Call) -> object:
    """{"read_only": bool}."""
    call.org.read_only = bool(call.json()["read_only"])
    return {"read_only": call.org.read_only}


async def permit(call: Call) -> object:
    """Our user's permissions by name, each true or false."""
    call.org.permissions.change(call.json())
    call.org.settle()
    return call.org.permissions.as_json()


async def edition(call: Call) -> object:
    """{"name": such as Professional Edition, "api_add_on"?: bool, "sandbox"?: bool}."""
    body = call.json()
    call.org.edition = Edition(str(body.get("name")), bool(body.get("api_add_on")), bool(body.get("sandbox")))
    call.org.settle()
    return {"name": call.org.edition.name, "has_api": call.org.edition.has_api}


async def package(call: Call) -> object:
    """{"installed": bool}."""
    call.org.install_package(installed=bool(call.json()["installed"]))
    return {"fields": call.org.access.package_fields}


async def add_layout(call: Call) -> object:
    """{"object", "name", "feed"?: bool}: another layout, without the opt-out boxes."""
    body = call.json()
    layout = call.org.layouts.add(str(body["object"]), str(body["name"]), feed=bool(body.get("feed")))
    return {"id": layout.id, "full_name": layout.full_name}


async def lay_out(call: Call) -> object:
    """{"layout": full name, "field", "behavior": Edit, Required, Readonly, or null to take it off}."""
    body = call.json()
    layout = call.org.layouts.named(str(body["layout"]))
    if layout is None:
        raise RefusalError("NOT_FOUND", f"no layout {body['layout']}", status=404)
    name, behavior = str(body["field"]), body.get("behavior")
    layout.put(name, None if behavior is None else str(behavior), call.org.access.fields[layout.object_name])
    call.org.settle()
    return {"fields": dict(layout.items())}


async def map_lead_field(call: Call) -> object:
    """{"lead": field, "contact": field, or null for none}: what a conversion hands on (told, not acted upon)."""
    body, mapping = call.json(), call.org.lead_mapping
    mapping.pop(str(body["lead"]), None)
    if body.get("contact") is not None:
        mapping[str(body["lead"])] = str(body["contact"])
    return {"mapping": mapping}


async def add_fault(call: Call) -> object:
    """A fault by `kind`, with that kind's options."""
    return {"id": call.org.faults.add(make_fault(KINDS, call.json()))}


async def list_kinds(_: Call) -> object:
    """Every kind: what it strikes, what happens, its source, what a client must do, its options."""
    return [describe_kind(kind) for kind in KINDS.values()]


async def list_faults(call: Call) -> object:
    """The faults on order and how often each struck."""
    return [fault.as_json() for fault in call.org.faults.ordered]


async def remove_fault(call: Call) -> object:
    """Forgets one fault."""
    if not call.org.faults.remove(call.params["id"]):
        raise RefusalError("NOT_FOUND", f"no fault on order has the id {call.params['id']}", status=404)
    return {"removed": True}


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
    """{"daily"?: N, "used"?: M, "bulk_queries_left"?, "change_events_left"?: told by GET /limits; none is refused}."""
    body, known = call.json(), call.org.limits
    known.daily = int(_number(body, "daily", known.daily))
    known.used = int(_number(body, "used", known.used))
    known.bulk_queries_left = int(_number(body, "bulk_queries_left", known.bulk_queries_left))
    known.change_events_left = int(_number(body, "change_events_left", known.change_events_left))
    return vars(known)


async def pubsub(call: Call) -> object:
    """{"reachable": bool}: whether something in between lets HTTP/2 through to the Pub/Sub API."""
    call.org.pubsub_reachable = bool(call.json()["reachable"])
    return {"reachable": call.org.pubsub_reachable}


async def behaviour(call: Call) -> object:
    """Switches for what is not certain about the real thing, by name."""
    call.org.behaviour.change(call.json())
    call.org.settle()
    return vars(call.org.behaviour)


async def certificate(call: Call) -> object:
    """{"pem"}: a certificate that an administrator uploads to the app; from now on JWTs are signed with its key."""
    call.org.take_certificate(str(call.json()["pem"]))
    return {"uploaded": True}


async def expire(call: Call) -> object:
    """Ends all sessions; {"long_lived": true} also the one of the credentials file."""
    call.org.sessions.expire_all(long_lived=bool(_body(call).get("long_lived")))
    return {"expired": True}


async def spy(call: Call) -> object:
    """What the org saw."""
    return call.org.spy.as_json()


async def list_requests(call: Call) -> object:
    """The kept requests, the oldest first; ?after= only those with a higher number."""
    return [seen.as_json() for seen in call.org.spy.since(int(call.query("after") or 0))]


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
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number of at least 0")
    return float(value)
