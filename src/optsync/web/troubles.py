"""What went wrong, in the reader's language: what happened, what it means, what to do."""

from django.utils.translation import gettext as _

from optsync.config.django_start import handed_over
from optsync.core.problems import Problem
from optsync.core.public_address import trouble_with
from optsync.core.told import Told, in_language, told
from optsync.salesforce.errors import SalesforceError


def in_three_parts(error: Problem | SalesforceError) -> dict[str, str]:
    """`what`, `means` and `next`, each a sentence; what Salesforce itself said stays in its own words."""
    if isinstance(error, Problem):
        parts = {"what": error.what, "means": error.means, "next": error.next}
    else:
        see_doctor = told("run the checks of Settings > Salesforce > Doctor")
        parts = {"what": error.message, "means": error.means, "next": error.next_step or see_doctor}
    return {name: as_sentence(text) for name, text in parts.items()}


def address_trouble() -> dict[str, str] | None:
    """What keeps recipients from unsubscribing with our links; None when nothing does."""
    trouble = trouble_with(handed_over().public_url)
    return in_three_parts(trouble) if trouble else None


def as_sentence(text: str) -> str:
    """In the reader's language, with a capital letter in front unless it begins with a name that somebody gave."""
    begins_with_a_name = isinstance(text, Told) and text.template.startswith("%(")
    sentence = in_language(text, _)
    return sentence if begins_with_a_name else capitalised(sentence)


def capitalised(sentence: str) -> str:
    """With a capital letter in front: on the command line these sentences stand behind a word and a colon."""
    return sentence[:1].upper() + sentence[1:]
