"""The documentation holds together: links lead somewhere, and each requirement and dependency is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_requirements_1_to_45_are_all_stated() -> None:
    text = (ROOT / "docs/reference/requirements.md").read_text(encoding="utf-8")
    assert [int(number) for number in re.findall(r"(?m)^(\d+)\. ", text)] == list(range(1, 46))


def test_every_test_that_names_a_requirement_names_a_real_one() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert {int(number) for number in re.findall(r"def test_\w*?_?r(\d\d)_", tests)} <= set(range(1, 46))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[><=~ ]", line)[0] for line in project["dependencies"]]
    page = (ROOT / "docs/explanation/dependencies.md").read_text(encoding="utf-8")
    assert [name for name in names if f"\n| {name} | " not in page] == []
    assert len(names) <= 25
