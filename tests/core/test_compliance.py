"""Compliance data: which values go together, and what a change leaves as it was (requirement 43)."""

from datetime import date

import pytest

from optsync.core.compliance import AUTHORIZATIONS, SOURCE_TYPES, BadCompliance, over_current, read_change

TODAY = date(2026, 11, 28)
CONSENT = {"authorization_type": "consent", "consent_date": "2024-05-01", "consent_purpose": "news"}


def test_r43_there_are_seven_authorization_types_and_five_source_types() -> None:
    assert (len(AUTHORIZATIONS), len(SOURCE_TYPES)) == (7, 5)


@pytest.mark.parametrize("kind", [kind for kind in AUTHORIZATIONS if kind != "consent"])
def test_r43_any_other_type_than_consent_stands_alone(kind: str) -> None:
    assert read_change({"authorization_type": kind.title()}, TODAY)["authorization_type"] == kind
    with pytest.raises(BadCompliance, match="only a consent has a date and a purpose"):
        read_change({"authorization_type": kind, "consent_date": "2024-05-01"}, TODAY)


@pytest.mark.parametrize("missing", ["consent_date", "consent_purpose"])
def test_r43_a_consent_needs_its_date_and_its_purpose(missing: str) -> None:
    with pytest.raises(BadCompliance, match="a consent needs its date and its purpose"):
        read_change(CONSENT | {missing: " "}, TODAY)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"authorization_type": "because"}, "no such authorization type"),
        ({"source_type": "found it"}, "no such source type"),
        (CONSENT | {"consent_date": "1.5.2024"}, "the consent date is no day"),
        (CONSENT | {"consent_date": "2026-11-29"}, "lies in the future"),
        ({"consent_purpose": "news"}, "only a consent has a date and a purpose"),
        ({"authorization_type": "consent", "authorization_note": "x"} | CONSENT, "only the authorization type other"),
        ({"source_type": "import", "source_note": "fair"}, "only the source type other"),
        ({"source_type": "other", "source_note": "x" * 501}, "longer than 500 characters"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(given: dict[str, str], why: str) -> None:
    with pytest.raises(BadCompliance, match=why):
        read_change(given, TODAY)


def test_what_is_not_said_stays_as_it_is_and_the_whole_replaces_all() -> None:
    assert read_change({"source_type": "Other", "source_note": " the  fair "}, TODAY) == {
        "source_type": "other",
        "source_note": "the fair",
    }
    assert read_change({}, TODAY) == {}
    assert set(read_change({}, TODAY, whole=True).values()) == {None}


def test_a_new_type_leaves_what_belonged_to_the_old_one_behind() -> None:
    now = over_current(CONSENT | {"source_type": "import"}, {"authorization_type": "legitimate interest"})
    assert read_change(now, TODAY, whole=True) == {
        "authorization_type": "legitimate interest",
        "authorization_note": None,
        "consent_date": None,
        "consent_purpose": None,
        "source_type": "import",
        "source_note": None,
    }
    assert over_current(CONSENT, {"consent_purpose": "offers"})["consent_date"] == "2024-05-01"
