"""The languages of the unsubscribe page: whole, alike in their placeholders, chosen as the reader wishes."""

import re
from pathlib import Path

import pytest

from optsync.public.languages import Language, chosen, languages

PLACEHOLDER = re.compile(r"\{(\w+)\}")
EU = [
    "bg",
    "cs",
    "da",
    "de",
    "el",
    "en",
    "es",
    "et",
    "fi",
    "fr",
    "ga",
    "hr",
    "hu",
    "it",
    "lt",
    "lv",
    "mt",
    "nl",
    "pl",
    "pt",
    "ro",
    "sk",
    "sl",
    "sv",
]
OTHERS = ["nb", "tr", "uk", "ja", "ko", "zh-Hans", "zh-Hant", "pt-BR", "ar", "he"]
HOW_TO = Path(__file__).parents[2] / "docs/how-to/unsubscribe-links.md"


@pytest.fixture(params=[code.lower() for code in EU + OTHERS])
def language(request: pytest.FixtureRequest) -> Language:
    """Each of them."""
    return languages()[request.param]


def test_there_are_the_languages_of_the_eu_and_ten_more() -> None:
    assert {one.code for one in languages().values()} == {*EU, *OTHERS}


def test_every_sentence_is_there_with_its_placeholders_and_no_markup(language: Language) -> None:
    english = languages()["en"].texts
    assert set(language.texts) == set(english)
    for key, text in language.texts.items():
        assert text == text.strip() != ""
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(english[key])), key
        assert not set(text) & set("<>&%"), key


@pytest.mark.parametrize(
    ("asked", "accepted", "code"),
    [
        ("fr", "de", "fr"),
        ("xx", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "pt-BR,pt;q=0.9", "pt-BR"),
        ("", "pt-PT", "pt"),
        ("", "zh-TW,zh;q=0.9", "zh-Hant"),
        ("", "zh-CN", "zh-Hans"),
        ("", "zh-Hant-HK", "zh-Hant"),
        ("", "no", "nb"),
        ("", "iw", "he"),
        ("", "eo,sv;q=0.5,fi;q=0.7", "fi"),
        ("", "de;q=0,sv;q=0.1", "sv"),
        ("", "", "en"),
        ("", "*", "en"),
        ("", ",;q=;;\0ä" * 50, "en"),
        ("EN-gb", "", "en"),
        ("-", "", "en"),
    ],
)
def test_the_reader_chooses_then_the_browser_then_english(asked: str, accepted: str, code: str) -> None:
    assert chosen(asked, accepted).code == code


def test_drafts_that_no_native_speaker_has_checked_are_listed_in_the_documentation() -> None:
    listed = HOW_TO.read_text(encoding="utf-8").partition("not yet checked")[2]
    for language in languages().values():
        assert (f"`{language.code}`" in listed) is not language.checked, language.code
