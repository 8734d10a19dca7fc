"""The guide of the page and the one in docs/how-to are one text, in both languages."""

import runpy
from pathlib import Path

from optsync.connection.guide import CHAPTERS

ROOT = Path(__file__).parents[2]


def test_the_page_in_the_documentation_is_current() -> None:
    made = runpy.run_path(str(ROOT / "scripts/install_guide.py"))["page"]()
    kept = (ROOT / "docs/how-to/install-the-field.md").read_text(encoding="utf-8")
    assert kept == made, "run: .venv/bin/python scripts/install_guide.py"


def test_r30_the_guide_names_the_way_for_both_objects() -> None:
    steps = [step for chapter in CHAPTERS for step in chapter.steps]
    pages = {step.page for step in steps}
    assert {f"ObjectManager/{name}/PageLayouts/view" for name in ("Lead", "Contact")} <= pages
    said = " ".join(step.text for step in steps)
    for word in ("Quick Find", "Page Layouts", "Edit", "Fields", "drag", "Save", "Dynamic Forms", "Installed Packages"):
        assert word in said
