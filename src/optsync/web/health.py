"""Is this process alive, and can it do its work?"""

from functools import lru_cache
from typing import Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from optsync.config.desk import desk
from optsync.connection.connect import connections as connected_orgs
from optsync.web import standing
from optsync.web.standing import Standing
from optsync.web.tally import tally

LOOK_SECONDS: Final = 2.0
"""Anybody may ask how the sync is; so often it is looked at, however many ask."""


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers."""
    return JsonResponse({"live": True})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and is of this version, else 503 with the reason."""
    try:
        behind = migrations_to_apply()
    except Error:
        return JsonResponse({"ready": False, "why": "the database does not answer"}, status=503)
    if behind:
        return JsonResponse({"ready": False, "why": "run: optsync migrate"}, status=503)
    return JsonResponse({"ready": True})


@require_safe
def sync(request: HttpRequest) -> JsonResponse:
    """200 while no opt-out needs a person, else 503: for a monitor of uptime. Verdicts as `optsync status` has them."""
    try:
        found = standings(int(desk().seams.monotonic() / LOOK_SECONDS))
    except psycopg.Error:
        return JsonResponse({"sync": False, "why": "the database does not answer"}, status=503)
    is_well = all(one.tone in ("ok", "info") for one in found)
    return JsonResponse({"sync": is_well, "verdicts": [one.verdict for one in found]}, status=200 if is_well else 503)


@lru_cache(maxsize=1)
def standings(_moment: int) -> list[Standing]:
    """How each connected org stands, or that none is; looked at once in each moment."""
    conn = desk().connection()
    orgs: list[int | None] = [one.org_id for one in connected_orgs(conn)]
    return [standing.look(conn, org_id, tally(desk().database).of(conn, org_id)) for org_id in orgs or [None]]


def migrations_to_apply() -> int:
    """How many migrations the database lacks."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
