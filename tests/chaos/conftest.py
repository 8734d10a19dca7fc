"""The same world as for the push tests, and the same house as for the nightly ones."""

import pytest

from tests.flows.nightly.conftest import house
from tests.flows.push.conftest import world
from tests.practice import PracticeOrg

__all__ = ["house", "world"]


@pytest.fixture
def org(practice_server: PracticeOrg) -> PracticeOrg:
    """An org in which Person Accounts stand among Leads and Contacts: the longest way through the product."""
    practice_server.reset(person_accounts=0)
    return practice_server
