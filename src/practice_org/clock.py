"""The practice org's own doors for time and chance (it shares no code with optsync)."""

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime

__all__ = ["Random", "monotonic", "now", "pause", "sleep", "token_hex"]

Random = random.Random
monotonic = time.monotonic
pause = time.sleep
sleep = asyncio.sleep
token_hex = secrets.token_hex


def now() -> datetime:
    """The current instant, timezone-aware UTC."""
    return datetime.now(UTC)
