"""The same world as for the push tests, and the same house as for the nightly ones."""

from tests.flows.nightly.conftest import house
from tests.flows.push.conftest import world

__all__ = ["house", "world"]
