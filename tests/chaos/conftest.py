"""The same world as for the push tests."""

from tests.flows.push.conftest import world

__all__ = ["world"]
