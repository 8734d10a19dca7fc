"""The OpenAPI document: committed, served, and complete."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.installation import Site
from tests.program import Program

ROOT = Path(__file__).parents[2]


def served(site: Site) -> dict[str, Any]:
    """What the server says; no key is needed."""
    answer = Program(site).get("/v1/openapi.json")
    assert answer.status == 200
    document: dict[str, Any] = answer.json
    return document


def test_the_committed_document_is_what_the_server_serves(site: Site) -> None:
    committed = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))
    assert served(site) == committed, "run: .venv/bin/python scripts/openapi.py, and look at what changed"


def test_every_reference_leads_somewhere_and_every_failure_is_a_problem(site: Site) -> None:
    document = served(site)
    assert document["openapi"] == "3.1.0"
    for reference in references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
            assert operation["summary"]
            assert operation["description"]


def test_every_property_has_an_example_that_fits_it(site: Site) -> None:
    document = served(site)
    for name, schema in document["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            assert part.get("examples"), f"{name}.{field} has no example"
            fits = jsonschema_rs.validator_for(part | {"components": document["components"]})
            for example in part["examples"]:
                assert fits.is_valid(example), (name, field, example)


def references(part: Any) -> list[str]:
    """Every $ref below."""
    if isinstance(part, list):
        return [one for each in part for one in references(each)]
    if not isinstance(part, dict):
        return []
    return [part["$ref"]] if "$ref" in part else [one for each in part.values() for one in references(each)]


def test_no_two_shapes_share_a_name() -> None:
    """Of two, the document would show one, for both."""
    names = Counter(
        found
        for file in (ROOT / "src/optsync/api").glob("*.py")
        for found in re.findall(r"^class (\w+)\((?:Told|Asked)\)", file.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert [name for name, count in names.items() if count > 1] == []
