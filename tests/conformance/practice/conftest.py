"""The practice org, called without our own client."""

import pytest

from tests.conformance.practice.rest import Rest
from tests.practice import PracticeOrg


@pytest.fixture
def rest(org: PracticeOrg) -> Rest:
    """A bare client of a fresh org: 30 Leads, 40 Contacts, Email Opt Out granted, the package installed."""
    return Rest(org)
