"""Whatever a program sends that the OpenAPI document allows, or nearly allows, it gets what the document says."""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from optsync import seams
from optsync.access import keys
from tests.api.conftest import World, a_world
from tests.servers import Servers

EXAMPLES = 400
KEYS = 40
"""Each lets 300 requests through before its limit answers."""
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text(encoding="utf-8"))
BOTH = [(GenerationMode.POSITIVE, EXAMPLES // 2), (GenerationMode.NEGATIVE, EXAMPLES // 2)]
OPERATIONS = [
    (path, method, mode, examples)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    for mode, examples in (
        # Without parameters and body there is nothing to get wrong.
        BOTH if "requestBody" in operation or operation["parameters"] else [(GenerationMode.POSITIVE, EXAMPLES)]
    )
]

BEYOND_A_SCHEMA: dict[tuple[str, str], list[Any]] = {
    ("/v1/webhooks", "post"): [positive_data_acceptance],  # where an address leads, no schema says
    ("/v1/webhooks/{endpoint_id}/replay", "post"): [positive_data_acceptance],  # nor what is within the last 30 days
    ("/v1/imports", "post"): [negative_data_rejection],  # any text is a text
    ("/v1/domains", "post"): [positive_data_acceptance],  # what is a domain, neither
    ("/v1/domains/{domain}", "delete"): [positive_data_acceptance],
    ("/v1/preview", "post"): [positive_data_acceptance],  # one at a time
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One of our own: what is asked here removes and imports whatever comes."""
    with a_world(postgres_servers, tmp_path_factory.mktemp("fuzz")) as made:
        yield made


@pytest.fixture(scope="module")
def next_key(world: World) -> Callable[[], str]:
    """The secrets of keys that may do everything, in turn."""
    vault, token_bytes = world.site.installation.vault, seams.real().token_bytes
    with world.site.installation.database.connect() as conn:
        made = [keys.make(conn, vault.subject_key, token_bytes, f"fuzz {n}", ["admin"], days=None, actor="test")[1]
                for n in range(KEYS)]  # fmt: skip
    turn = cycle(made)
    return lambda: next(turn)


@pytest.mark.parametrize(("path", "method", "mode", "examples"), OPERATIONS)
def test_every_answer_is_one_that_the_document_names(
    world: World, next_key: Callable[[], str], path: str, method: str, mode: GenerationMode, examples: int
) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=world.site.url)

    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def holds(case: Case[Any]) -> None:
        assume([] not in (case.query or {}).values())  # a parameter that is not sent
        response = case.call(headers={"Authorization": f"Bearer {next_key()}"})
        excluded = BEYOND_A_SCHEMA.get((path, method), [])
        if b"#idempotency-key-reused" in response.content:  # two examples happened to have the same key
            excluded = [*excluded, positive_data_acceptance]
        if response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # refused as it should be, by its size
            excluded = [*excluded, negative_data_rejection]
        case.validate_response(response, excluded_checks=excluded)

    holds()
