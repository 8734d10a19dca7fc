"""The org's two users: the one behind the API, and the one behind the page and the control API."""

from practice_org.ids import record_id
from practice_org.schema import PREFIXES, Value

INTEGRATION_USER = record_id(PREFIXES["User"], 1)
"""The user of our client, and the one behind everything that was before."""
HUMAN = record_id(PREFIXES["User"], 2)
"""The user behind edits through the page and the control API."""

USERNAME = "integration@practice.example"
_ADMIN = "admin@practice.example"

USERS: dict[str, dict[str, Value]] = {
    INTEGRATION_USER: {"Username": USERNAME, "Name": "Integration User", "Email": USERNAME},
    HUMAN: {"Username": _ADMIN, "Name": "Practice Admin", "Email": _ADMIN},
}
for _id, _row in USERS.items():
    _row |= {"Id": _id, "IsActive": True}
