"""What a good engineer would write by hand for the one-click door: FastAPI, asyncpg, one statement, nothing else.

It reads the same tokens and records with the same function of the database, so what differs is the house around it.
Started by uvicorn; DSN, KEY and SUBJECT_KEY come from the environment.
"""

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import FastAPI, Request, Response

RECORD = "SELECT * FROM opt_out_record($1, $2, 'one-click', 0, NULL, NULL, $3::jsonb, '{}')"
KEY = AESGCM(bytes.fromhex(os.environ["KEY"]))
SUBJECT_KEY = bytes.fromhex(os.environ["SUBJECT_KEY"])


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    """A pool of sessions while the server runs."""
    async with asyncpg.create_pool(os.environ["DSN"], min_size=4, max_size=4) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=life, openapi_url=None)


@app.post("/u/{token}")  # type: ignore[untyped-decorator]  # FastAPI is installed by `make bench` only
async def one_click(token: str, request: Request) -> Response:
    """Opts out whom the token names; 200 once that is committed."""
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    address = KEY.decrypt(raw[1:13], raw[13:], b"\x01").decode().partition("\0")[0].strip().lower()
    subject = hmac.new(SUBJECT_KEY, address.encode(), hashlib.sha256).digest()
    network = request.client.host.rsplit(".", 2)[0] + ".0.0/16" if request.client else ""
    async with request.app.state.pool.acquire() as conn:
        await conn.fetchrow(RECORD, address, subject, f'{{"network": "{network}"}}')
    return Response("Done. You are unsubscribed.", media_type="text/html")
