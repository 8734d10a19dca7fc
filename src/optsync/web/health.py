"""Is this process alive, and can it do its work?"""

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


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


def migrations_to_apply() -> int:
    """How many migrations the database lacks."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
