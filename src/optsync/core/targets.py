"""Which opt-out fields are due and which are read: switch x field choice (rules 2, requirements 6-12)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class FieldRole(Enum):
    """The two opt-out fields of an org: Email Opt Out, and the custom checkbox found by describe."""

    EMAIL = "email"
    CUSTOM = "custom"


class Choice(Enum):
    """What an admin chose. A custom field given by its API name is SALES with that field."""

    EMAIL = "email"
    SALES = "sales"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Policy:
    """The switch "Sync to Salesforce", the field choice and "read both, write one"."""

    switch_on: bool = False
    choice: Choice = Choice.EMAIL
    read_both: bool = False


NOTHING: Final = frozenset[FieldRole]()
EMAIL_ONLY: Final = frozenset({FieldRole.EMAIL})
CUSTOM_ONLY: Final = frozenset({FieldRole.CUSTOM})
BOTH_FIELDS: Final = EMAIL_ONLY | CUSTOM_ONLY

_WRITTEN: Final = {Choice.EMAIL: EMAIL_ONLY, Choice.SALES: CUSTOM_ONLY, Choice.BOTH: BOTH_FIELDS}


def account_name(contact_name: str) -> str:
    """What an opt-out field of Contact is called on the Account of a Person Account: X__pc for X__c, else PersonX.

    Source: Salesforce Help, "Person Account Fields".
    """
    if contact_name.endswith("__c"):
        return contact_name.removesuffix("__c") + "__pc"
    return f"Person{contact_name}"


def write_fields(policy: Policy) -> frozenset[FieldRole]:
    """The fields a new opt-out is due in. With the switch off it is Email Opt Out, whatever was chosen earlier."""
    return _WRITTEN[policy.choice] if policy.switch_on else EMAIL_ONLY


def read_fields(policy: Policy) -> frozenset[FieldRole]:
    """The fields whose tick opts a person out here: none with the switch off; more than one means either is enough."""
    if not policy.switch_on:
        return NOTHING
    return BOTH_FIELDS if policy.read_both else write_fields(policy)
