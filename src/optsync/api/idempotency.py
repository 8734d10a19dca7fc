"""Idempotency-Key: the same request again gets the same answer for 30 days, another one under that key is refused.

Every route that changes something is idempotent by nature, so a crash between the deed and the kept answer, or two
requests at the same moment, do it again without harm: the key makes the answer the same, not the deed safe.
"""

import hmac
import json
from collections.abc import Callable
from typing import Final

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, JsonResponse
from psycopg.types.json import Jsonb

from optsync.api import PACKAGE
from optsync.api.door import caller_of
from optsync.api.problems import Refusal
from optsync.api.shapes import Told
from optsync.config.desk import desk
from optsync.ledger.queries import sql

HEADER: Final = "Idempotency-Key"
LENGTH_MAX: Final = 255
DOCUMENTED: Final = {
    "parameters": [
        {
            "in": "header",
            "name": HEADER,
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": LENGTH_MAX},
            "description": "The same key with the same request gets the same answer for 30 days.",
        }
    ]
}
"""For a route's `openapi_extra`."""


def once(request: HttpRequest, act: Callable[[], tuple[int, Told]], digest: bytes | None = None) -> JsonResponse:
    """Answers with the status and body that `act` returns, or with those kept under this key. Raises Refusal.

    `digest` stands for a body that is too large to be held; parameters of the address count, too.
    A body that is kept must hold no address: it outlives an erasure.
    """
    name = request.headers.get(HEADER)
    if name is None:
        status, told = act()
        return JsonResponse(told.model_dump(), status=status)
    if not 0 < len(name) <= LENGTH_MAX:
        raise Refusal("invalid", f"{HEADER} has {len(name)} characters", errors=[wrong_length()])
    conn = desk().connection()
    values = {
        "key_id": caller_of(request).key.key_id,
        "name_hash": hash_of(b"name", name.encode(errors="replace")),
        "request_hash": hash_of(
            b"request", f"{request.method} {place_of(request)}".encode() + b"\0" + (digest or request.body)
        ),
    }
    kept = conn.execute(sql(PACKAGE, "kept_answer"), values).fetchone()
    if kept is not None:
        if kept[0] != values["request_hash"]:
            raise Refusal("idempotency-key-reused", "this key came with another method, address or body before")
        return JsonResponse(kept[2], status=kept[1], headers={"Idempotency-Replayed": "true"})
    status, told = act()
    answer = Jsonb(json.loads(DjangoJSONEncoder().encode(told.model_dump())))  # as the caller reads it
    conn.execute(sql(PACKAGE, "keep_answer"), values | {"status": status, "answer": answer})
    return JsonResponse(told.model_dump(), status=status)


def place_of(request: HttpRequest) -> str:
    """The address that was asked, with its parameters."""
    query = request.META.get("QUERY_STRING", "")
    return f"{request.path}?{query}" if query else request.path


def wrong_length() -> dict[str, str]:
    """Where and why."""
    return {"where": HEADER, "detail": f"1 to {LENGTH_MAX} characters are taken"}


def hash_of(purpose: bytes, text: bytes) -> bytes:
    """A keyed hash, apart from those of people and API keys."""
    return hmac.digest(desk().subject_key, b"idempotency\0" + purpose + b"\0" + text, "sha256")
