"""A program that uses the REST interface: a key, and requests over real HTTP."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from optsync import seams
from optsync.access import keys
from optsync.access.keys import Scope
from tests.installation import Site


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of a problem; the whole document must be there."""
        document = self.json
        assert self.headers["Content-Type"] == "application/problem+json"
        assert document["status"] == self.status
        texts = ("type", "title", "detail", "instance", "code", "means", "next", "request_id")
        assert all(isinstance(document[name], str) and document[name] for name in texts), document
        assert document["type"] == f"/v1/problems#{document['code']}"
        return str(document["code"])


@dataclass(frozen=True)
class Program:
    """Asks with a key; an empty one sends none."""

    site: Site
    key: str = ""

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request. A body that is not bytes is sent as JSON; headers are written with underscores."""
        sent = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        where = urlsplit(self.site.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: object, **headers: str) -> Answer:
        """POST with a JSON body."""
        return self.ask("POST", path, body, **headers)

    def put(self, path: str, body: object, **headers: str) -> Answer:
        """PUT with a JSON body."""
        return self.ask("PUT", path, body, **headers)


def program(site: Site, *scopes: Scope, days: int | None = None, name: str = "test") -> Program:
    """A program with a key of its own, and so with limits of its own."""
    installation = site.installation
    with installation.database.connect() as conn:
        _, text = keys.make(
            conn,
            installation.vault.subject_key,
            seams.real().token_bytes,
            name,
            scopes,
            days=days,
            actor="test",
        )
    return Program(site, text)
