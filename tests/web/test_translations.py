"""Every text of the pages exists in German, with the same placeholders."""

import ast
import re
from pathlib import Path

import pytest

import optsync
from optsync.alerts.rules import RULES, SAFE, YARDSTICKS
from optsync.connection.fields import SENTENCES as SENTENCES_OF_FIELDS
from optsync.connection.install_plan import SENTENCES as SENTENCES_OF_STEPS
from optsync.core.rejections import REJECTIONS, explain
from optsync.web import history, words
from optsync.web.catalogs import LOCALE, compiled, entries_of
from optsync.web.standing import NEVER_PROVED, OLDEST, SENTENCES, SET_ASIDE, SLOWED_BY, UNPROVED

SOURCE = Path(optsync.__file__).parent
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
TRANSLATE = re.compile(r"{%\s*translate\s+(\"([^\"]*)\"|'([^']*)')")
BLOCK = re.compile(r"{%\s*blocktranslate([^%]*)%}(.*?){%\s*endblocktranslate\s*%}", re.DOTALL)
PLURAL = re.compile(r"{%\s*plural\s*%}")


def texts_of_templates() -> set[str]:
    """Every translatable text of the templates in the form of a .mo key."""
    found = set()
    for file in SOURCE.glob("web/templates/**/*.html"):
        text = file.read_text(encoding="utf-8")
        found |= {double or single for _, double, single in TRANSLATE.findall(text)}
        for _, body in BLOCK.findall(text):
            found.add("\0".join(re.sub(r"{{\s*(\w+)\s*}}", r"%(\1)s", form) for form in PLURAL.split(body)))
    return found


def texts_of_code() -> set[str]:
    """Every text in a call of gettext, and the tables of words and sentences."""
    said = {one for _, sentences in SENTENCES.values() for one in sentences} | {NEVER_PROVED, OLDEST, SET_ASIDE}
    found = {f"{one.one}\0{one.many}" if one.many else one.one for one in said} | {
        words.ALLOWED,
        words.UNKNOWN,
        words.UNSUBSCRIBED,
        words.DISPUTED,
        words.ONE_SENDER,
        words.NOT_LINKED_SHORT,
        history.CONFIRMED,
        history.WAS_TICKED,
    }
    for table in (
        words.KINDS,
        words.SOURCES,
        words.EVENT_TYPES,
        words.RUN_KINDS,
        words.RUN_RESULTS,
        words.STEPS,
        words.PREVIEW_REASONS,
        words.BOX_STATES,
        words.WHY,
        words.RUN_COUNTS,
        words.RESTS,
        words.PROVENANCES,
        words.MARK_REASONS,
        words.REFUSED_CALLS,
        words.REASONS,
        words.ORIGINS,
        words.LAYOUTS,
        words.REJECTED_ROWS,
        words.UPLOAD_STATES,
        words.UPLOAD_STEPS,
        words.COMPLIANCE_FIELDS,
        history.FACTS,
        SLOWED_BY,
        UNPROVED,
        words.COMPLIANCE_WRONG,
        words.AUTHORIZATIONS,
        words.SOURCE_TYPES,
    ):
        found |= set(table.values())
    found |= {words.DROPPED_TICK, words.UNDONE_TICK}
    for title, next_step in words.OUR_REFUSALS.values():
        found |= {title, next_step}
    for rejection in (*REJECTIONS.values(), explain("UNHEARD_OF", ""), explain("REQUEST_LIMIT_EXCEEDED", "concurrent")):
        found |= {rejection.title, rejection.next}
    found |= set(SENTENCES_OF_FIELDS.values()) | set(SENTENCES_OF_STEPS.values()) | {SAFE, *YARDSTICKS}
    for rule in RULES.values():
        found |= {rule.title, rule.when, rule.said, rule.fixed} if rule.is_mailed else set()
    for file in SOURCE.rglob("*.py"):
        is_page = file.parent.name in ("web", "public")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if isinstance(node, ast.Call) and (name == "told" or (name == "_" and is_page)):
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
            if isinstance(node, ast.Call) and name == "ngettext":
                forms = [form.value for form in node.args[:2] if isinstance(form, ast.Constant)]
                found |= {"\0".join(map(str, forms))} if forms else set()
    return found


@pytest.fixture(scope="module")
def german() -> dict[str, str]:
    """The German catalog."""
    return dict(entries_of((LOCALE / "de/LC_MESSAGES/django.po").read_text(encoding="utf-8")))


def test_every_text_is_in_the_german_catalog_and_none_too_many(german: dict[str, str]) -> None:
    texts = texts_of_templates() | texts_of_code()
    assert not texts - set(german), "missing in django.po"
    assert not set(german) - texts - {""}, "no longer used"


def test_translations_keep_the_placeholders(german: dict[str, str]) -> None:
    for text, translation in german.items():
        if text:
            for form in translation.split("\0"):
                assert set(PLACEHOLDER.findall(form)) <= set(PLACEHOLDER.findall(text)), text


def test_a_compiled_catalog_is_read_back_by_gettext() -> None:
    import gettext
    import io

    header = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
    mo = compiled({"": header, "day\0days": "Tag\0Tage", "menu\x04Open": "Öffnen"})
    catalog = gettext.GNUTranslations(io.BytesIO(mo))
    assert catalog.ngettext("day", "days", 2) == "Tage"
    assert catalog.pgettext("menu", "Open") == "Öffnen"
