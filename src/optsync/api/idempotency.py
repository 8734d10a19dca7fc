"""Idempotency-Key: the same request again gets the same answer for 30 days, another one under that key is refused.

Most routes that change something are idempotent by nature, so a crash between the deed and the kept answer, or two
requests at the same moment, do it again without harm: the key makes the answer the same (`once`). What makes a thing
each time it is asked, such as a key or a webhook, keeps its answer in the same transaction as the deed (`made_once`).
"""

import hmac
import json
from collections.abc import Callable
from typing import Any, Final

import psycopg
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
    name = key_in(request)
    if name is None:
        status, told = act()
        return JsonResponse(told.model_dump(), status=status)
    conn, asked = desk().connection(), hashes_of(request, name, digest)
    kept = kept_answer(conn, asked)
    if kept is not None:
        return kept
    status, told = act()
    keep(conn, asked, status, told.model_dump())
    return JsonResponse(told.model_dump(), status=status)


def made_once(request: HttpRequest, act: Callable[[], tuple[int, Told]], secret: str = "") -> JsonResponse:
    """As `once`, for what would make another thing each time: deed and answer are one transaction, one at a time.

    The field `secret` is not kept: in a repeated answer it is null. `act` may ask nothing but the database.
    """
    name = key_in(request)
    if name is None:
        status, told = act()
        return JsonResponse(told.model_dump(), status=status)
    conn, asked = desk().connection(), hashes_of(request, name)
    with conn.transaction():
        conn.execute(sql(PACKAGE, "lock_answer"), asked)
        kept = kept_answer(conn, asked)
        if kept is not None:
            return kept
        status, told = act()
        answer = told.model_dump()
        keep(conn, asked, status, answer | {secret: None} if secret else answer)
    return JsonResponse(answer, status=status)


def key_in(request: HttpRequest) -> str | None:
    """The Idempotency-Key of a request; None without one. Raises Refusal for one that is too short or too long."""
    name = request.headers.get(HEADER)
    if name is not None and not 0 < len(name) <= LENGTH_MAX:
        raise Refusal("invalid", f"{HEADER} has {len(name)} characters", errors=[wrong_length()])
    return name


def hashes_of(request: HttpRequest, name: str, digest: bytes | None = None) -> dict[str, Any]:
    """Who asks, under which key, for what: the last two as keyed hashes."""
    asked = f"{request.method} {place_of(request)}".encode() + b"\0" + (digest or request.body)
    return {
        "key_id": caller_of(request).key.key_id,
        "name_hash": hash_of(b"name", name.encode(errors="replace")),
        "request_hash": hash_of(b"request", asked),
    }


def kept_answer(conn: psycopg.Connection, asked: dict[str, Any]) -> JsonResponse | None:
    """What was answered under this key before; None when nothing was. Raises Refusal when it was another request."""
    kept = conn.execute(sql(PACKAGE, "kept_answer"), asked).fetchone()
    if kept is None:
        return None
    if kept[0] != asked["request_hash"]:
        raise Refusal("idempotency-key-reused", "this key came with another method, address or body before")
    return JsonResponse(kept[2], status=kept[1], headers={"Idempotency-Replayed": "true"})


def keep(conn: psycopg.Connection, asked: dict[str, Any], status: int, answer: dict[str, Any]) -> None:
    """Keeps an answer, as the caller reads it."""
    as_read = Jsonb(json.loads(DjangoJSONEncoder().encode(answer)))
    conn.execute(sql(PACKAGE, "keep_answer"), asked | {"status": status, "answer": as_read})


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
