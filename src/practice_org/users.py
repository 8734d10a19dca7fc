"""The org's two users: the one behind the API, and the one behind the page and the control API."""

from practice_org.ids import record_id
from practice_org.schema import PREFIXES, Value

INTEGRATION_USER = record_id(PREFIXES["User"], 1)
"""The user of our client, and the one behind everything that was before."""
HUMAN = record_id(PREFIXES["User"], 2)
"""The user behind edits through the page and the control API."""

USERNAME = "integration@practice.example"
FIRST_NAME, LAST_NAME = "Integration", "User"
LANGUAGE, LOCALE, TIME_ZONE = "en_US", "en_US", "GMT"
INTEGRATION_PROFILE, ADMIN_PROFILE, STANDARD_PROFILE = (record_id("00e", number) for number in (1, 2, 3))
SALESFORCE_LICENSE = record_id("100", 1)
_BORN = "2025-03-03T08:00:00.000Z"


def _user(user_id: str, username: str, first: str, last: str, profile_id: str) -> dict[str, Value]:
    return {
        "Id": user_id,
        "Username": username,
        "FirstName": first,
        "LastName": last,
        "Name": f"{first} {last}",
        "Email": username,
        "Alias": first[:8].lower(),
        "CommunityNickname": first.lower(),
        "IsActive": True,
        "UserType": "Standard",
        "ProfileId": profile_id,
        "TimeZoneSidKey": TIME_ZONE,
        "LocaleSidKey": LOCALE,
        "LanguageLocaleKey": LANGUAGE,
        "EmailEncodingKey": "UTF-8",
        "CreatedDate": _BORN,
        "LastModifiedDate": _BORN,
        "SystemModstamp": _BORN,
    }


USERS: dict[str, dict[str, Value]] = {
    INTEGRATION_USER: _user(INTEGRATION_USER, USERNAME, FIRST_NAME, LAST_NAME, INTEGRATION_PROFILE),
    HUMAN: _user(HUMAN, "admin@practice.example", "Practice", "Admin", ADMIN_PROFILE),
}
