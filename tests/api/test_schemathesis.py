"""Whatever a program sends that the OpenAPI document allows, or nearly allows, it gets what the document says."""

import json
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from optsync import seams
from optsync.access import keys
from tests.api.conftest import World

EXAMPLES = 400
KEYS = 40
"""Each lets 300 requests through before its limit answers."""
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text(encoding="utf-8"))
for operations in DOCUMENT["paths"].values():
    for operation in operations.values():
        operation.pop("security", None)  # every request has a key here; test_scopes.py asks without
OPERATIONS = [
    (path, method, mode)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or "requestBody" in operation or operation["parameters"]
]
"""Without parameters and body there is nothing to get wrong."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def next_key(world: World) -> Callable[[], str]:
    """The secrets of keys that may do everything, in turn."""
    vault, token_bytes = world.site.installation.vault, seams.real().token_bytes
    with world.site.installation.database.connect() as conn:
        made = [keys.make(conn, vault.subject_key, token_bytes, f"fuzz {n}", ["admin"], days=None, actor="test")[1]
                for n in range(KEYS)]  # fmt: skip
    turn = cycle(made)
    return lambda: next(turn)


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_every_answer_is_one_that_the_document_names(
    world: World, next_key: Callable[[], str], path: str, method: str, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=world.site.url)

    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def holds(case: Case[Any]) -> None:
        assume([] not in (case.query or {}).values())  # a parameter that is not sent
        response = case.call(headers={"Authorization": f"Bearer {next_key()}"})
        reused = b"#idempotency-key-reused" in response.content  # two examples happened to have the same key
        case.validate_response(response, excluded_checks=[positive_data_acceptance] if reused else None)

    holds()
