"""A session of our client with the practice org."""

from collections.abc import Iterator

import pytest

from optsync import seams
from optsync.salesforce.credentials import Credential
from optsync.salesforce.session import Session, open_session
from tests.practice import PracticeOrg


@pytest.fixture
def session(org: PracticeOrg) -> Iterator[Session]:
    """The integration user's session; nothing is sent before the test uses it."""
    with open_session(Credential.from_file(org.credentials_file), seams.real()) as opened:
        yield opened
