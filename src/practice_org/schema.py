"""The fields of Lead, Contact and Account, and which of them a fresh org hides (salesforce.md 0.1, 5.1)."""

import re
from dataclasses import dataclass

Value = str | bool | int | None
"""A stored value. Instants are text in one form, 2026-11-23T04:00:00.000Z, so that they compare as they sort."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field as describe shows it. `hidden` is a fresh org's field-level security for a new user."""

    name: str
    label: str
    type: str = "string"
    length: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    permissionable: bool = True
    custom: bool = False
    hidden: bool = False
    reference_to: tuple[str, ...] = ()


def _system(name: str, label: str, kind: str, *, nillable: bool = False, to: tuple[str, ...] = ()) -> Field:
    length = 18 if kind in ("id", "reference") else 0
    return Field(name, label, kind, length, nillable, False, False, permissionable=False, reference_to=to)


def _text(name: str, label: str, length: int, kind: str = "string", *, required: bool = False) -> Field:
    return Field(name, label, kind, length, nillable=not required, permissionable=not required)


def _checkbox(name: str, label: str, *, hidden: bool = False, custom: bool = False) -> Field:
    return Field(name, label, "boolean", nillable=False, custom=custom, hidden=hidden)


EMAIL_OPT_OUT = "HasOptedOutOfEmail"
ID_LOOKUPS = ("Id", "Email")
"""The fields of Lead and Contact that a record can be found by in the place of its id (`idLookup` in describe)."""

_COMMON = (
    _system("Id", "Record ID", "id"),
    _system("IsDeleted", "Deleted", "boolean"),
    _system("MasterRecordId", "Master Record ID", "reference", nillable=True),
    _text("LastName", "Last Name", 80, required=True),
    _text("FirstName", "First Name", 40),
    _text("Salutation", "Salutation", 40, "picklist"),
    _system("Name", "Full Name", "string"),
    _text("Title", "Title", 128),
    _text("Phone", "Phone", 40, "phone"),
    _text("Email", "Email", 80, "email"),
    _checkbox(EMAIL_OPT_OUT, "Email Opt Out", hidden=True),
    _checkbox("DoNotCall", "Do Not Call", hidden=True),
    _system("OwnerId", "Owner ID", "reference", to=("User",)),
    _system("CreatedDate", "Created Date", "datetime"),
    _system("CreatedById", "Created By ID", "reference", to=("User",)),
    _system("LastModifiedDate", "Last Modified Date", "datetime"),
    _system("LastModifiedById", "Last Modified By ID", "reference", to=("User",)),
    _system("SystemModstamp", "System Modstamp", "datetime"),
)

_LEAD = (
    _text("Company", "Company", 255, required=True),
    _text("Street", "Street", 255, "textarea"),
    _text("City", "City", 40),
    _text("LeadSource", "Lead Source", 255, "picklist"),
    _text("Status", "Status", 255, "picklist", required=True),
    # createable yes, updateable no: recorded in scratch orgs (salesforce.md 2.2)
    Field("IsConverted", "Converted", "boolean", 0, False, True, False, permissionable=False),
    _system("ConvertedDate", "Converted Date", "date", nillable=True),
    _system("ConvertedAccountId", "Converted Account ID", "reference", nillable=True, to=("Account",)),
    _system("ConvertedContactId", "Converted Contact ID", "reference", nillable=True, to=("Contact",)),
)

_CONTACT = (
    Field("AccountId", "Account ID", "reference", 18, reference_to=("Account",)),
    _text("MailingStreet", "Mailing Street", 255, "textarea"),
    _text("MailingCity", "Mailing City", 40),
    _text("Department", "Department", 80),
)

_ACCOUNT = (
    _system("Id", "Account ID", "id"),
    _system("IsDeleted", "Deleted", "boolean"),
    _system("MasterRecordId", "Master Record ID", "reference", nillable=True),
    _text("Name", "Account Name", 255, required=True),
    _text("Phone", "Account Phone", 40, "phone"),
    _system("OwnerId", "Owner ID", "reference", to=("User",)),
    _system("CreatedDate", "Created Date", "datetime"),
    _system("CreatedById", "Created By ID", "reference", to=("User",)),
    _system("LastModifiedDate", "Last Modified Date", "datetime"),
    _system("LastModifiedById", "Last Modified By ID", "reference", to=("User",)),
    _system("SystemModstamp", "System Modstamp", "datetime"),
)

PERSON_EMAIL_OPT_OUT = "PersonHasOptedOutOfEmail"
_OF_PERSON_ACCOUNTS = {
    "Contact": (_system("IsPersonAccount", "Is Person Account", "boolean"),),
    "Account": (
        _text("LastName", "Last Name", 80),
        _text("FirstName", "First Name", 40),
        _text("Salutation", "Salutation", 40, "picklist"),
        _system("IsPersonAccount", "Is Person Account", "boolean"),
        _system("PersonContactId", "Contact ID", "reference", nillable=True, to=("Contact",)),
        _text("PersonEmail", "Email", 80, "email"),
        _checkbox(PERSON_EMAIL_OPT_OUT, "Email Opt Out", hidden=True),
        _checkbox("PersonDoNotCall", "Do Not Call", hidden=True),
    ),
}
"""Fields that exist only where the org has Person Accounts (salesforce.md 5.1)."""

_ORGANIZATION = (
    _system("Id", "Organization ID", "id"),
    _system("Name", "Name", "string"),
    _system("InstanceName", "Instance Name", "string", nillable=True),
    _system("IsSandbox", "Is Sandbox", "boolean"),
    _system("NamespacePrefix", "Namespace Prefix", "string", nillable=True),
    _system("OrganizationType", "Edition", "picklist", nillable=True),
    _system("TrialExpirationDate", "Trial Expiration Date", "datetime", nillable=True),
    _system("LanguageLocaleKey", "Language", "picklist"),
    _system("DefaultLocaleSidKey", "Locale", "picklist"),
    _system("TimeZoneSidKey", "Time Zone", "picklist", nillable=True),
    _system("CreatedDate", "Created Date", "datetime"),
    _system("LastModifiedDate", "Last Modified Date", "datetime"),
    _system("SystemModstamp", "System Modstamp", "datetime"),
)

_USER = (
    _system("Id", "User ID", "id"),
    _system("Username", "Username", "string"),
    _system("Name", "Full Name", "string"),
    _system("Email", "Email", "email"),
    _system("IsActive", "Active", "boolean"),
    _system("FirstName", "First Name", "string", nillable=True),
    _system("LastName", "Last Name", "string"),
    _system("Alias", "Alias", "string"),
    _system("CommunityNickname", "Nickname", "string"),
    _system("UserType", "User Type", "picklist", nillable=True),
    _system("ProfileId", "Profile ID", "reference", to=("Profile",)),
    _system("TimeZoneSidKey", "Time Zone", "picklist"),
    _system("LocaleSidKey", "Locale", "picklist"),
    _system("LanguageLocaleKey", "Language", "picklist"),
    _system("EmailEncodingKey", "Email Encoding", "picklist"),
    _system("CreatedDate", "Created Date", "datetime"),
    _system("LastModifiedDate", "Last Modified Date", "datetime"),
    _system("SystemModstamp", "System Modstamp", "datetime"),
)

PREFIXES = {"Lead": "00Q", "Contact": "003", "Account": "001", "Organization": "00D", "User": "005"}
PEOPLE = ("Lead", "Contact", "Account")
"""The objects that hold people, Account where the org has Person Accounts; the others are read-only."""

_STANDARD = {
    "Lead": _COMMON + _LEAD,
    "Contact": _COMMON + _CONTACT,
    "Account": _ACCOUNT,
    "Organization": _ORGANIZATION,
    "User": _USER,
}

DEFAULT_PACKAGE_FIELD = "mkto_si__Marketo_Sales_Opt_Out__c"
"""The true API name is not public (salesforce.md 5.2), so it can be chosen, per object if need be."""
CUSTOM_FIELD = re.compile(r"(?:[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*__)?[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*__c")
"""A custom field's API name, with the namespace of its package or without."""
PACKAGE_LABEL = "Marketo Sales Opt Out"


def package_field(name: str) -> Field:
    """The checkbox that the package brings."""
    return _checkbox(name, PACKAGE_LABEL, custom=True)


def standard_fields(object_name: str, *, person_accounts: bool = False) -> dict[str, Field]:
    """Every standard field of the object by its lower-case name: Salesforce compares field names without case."""
    more = _OF_PERSON_ACCOUNTS.get(object_name, ()) if person_accounts else ()
    return {field.name.lower(): field for field in _STANDARD[object_name] + more}


def account_name(contact_field: str) -> str:
    """What a field of Contact is called on a Person Account: X__pc for X__c, else PersonX; names are not prefixed."""
    if contact_field in ("LastName", "FirstName", "Salutation"):
        return contact_field
    if contact_field.endswith("__c"):
        return contact_field.removesuffix("__c") + "__pc"
    return f"Person{contact_field}"
