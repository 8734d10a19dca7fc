"""Django's cache in a table: all web processes count attempts to sign in together, and a code works once in all.

Not Django's own DatabaseCache: that keeps pickles, which would let whoever may write in the database run code here, and
counts its rows at every write. Values are what JSON knows. Only attempts cost a write, no page that is read.
"""

from typing import Any, Final

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.utils.crypto import salted_hmac
from psycopg.types.json import Jsonb

from optsync.config.desk import desk
from optsync.ledger.queries import sql

SECONDS_MAX: Final = 30 * 24 * 3600.0
"""How long what never ends is kept."""


class SharedCache(BaseCache):
    """The backend that settings name."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """True for the one who stores it first; nothing is changed while it has not expired."""
        return self._did("cache_add", key, version, value=Jsonb(value), seconds=self._seconds(timeout))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """The value; `default` when there is none or it has expired."""
        row = desk().connection().execute(sql("optsync.web", "cache_get"), self._named(key, version)).fetchone()
        return row[0] if row else default

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Stores it, whatever was there."""
        values = {"value": Jsonb(value), "seconds": self._seconds(timeout)}
        desk().connection().execute(sql("optsync.web", "cache_set"), self._named(key, version) | values)

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keeps it for longer; False when it is not there."""
        return self._did("cache_touch", key, version, seconds=self._seconds(timeout))

    def delete(self, key: str, version: int | None = None) -> bool:
        """Forgets it; False when it is not there."""
        return self._did("cache_delete", key, version)

    def clear(self) -> None:
        """Forgets all."""
        desk().connection().execute(sql("optsync.web", "cache_clear"))

    def _did(self, statement: str, key: str, version: int | None, **values: Any) -> bool:
        named = self._named(key, version) | values
        return desk().connection().execute(sql("optsync.web", statement), named).fetchone() is not None

    def _named(self, key: str, version: int | None) -> dict[str, Any]:
        return {"key": salted_hmac("optsync.web.cache", self.make_key(key, version), algorithm="sha256").hexdigest()}

    def _seconds(self, timeout: Any) -> float:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return SECONDS_MAX if seconds is None else min(float(seconds), SECONDS_MAX)
