"""A bare HTTP client: what goes over the wire is what the test says, with nothing of our own client in between."""

import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from tests.practice import PracticeOrg

API = "/services/data/v62.0"


@dataclass
class Answer:
    """One answer. `json` decodes the body, None if it is empty."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The errorCode of a refused request."""
        return str(self.json[0]["errorCode"])


@dataclass
class Rest:
    """Calls one org with its long-lived token."""

    org: PracticeOrg
    token: str = ""
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.token = self.org.credentials["access_token"]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request on a connection of its own. Paths that do not start with / belong to the API version."""
        connection = self.org.connect()
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}"} | {name.replace("_", "-"): v for name, v in headers.items()}
        full_path = path if path.startswith("/") else f"{API}/{path}"
        try:
            connection.request(method, full_path, content, sent)
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, response.read())
        finally:
            connection.close()

    def query(self, text: str, *, everything: bool = False, **headers: str) -> Answer:
        """The first page of a query, or of a queryAll."""
        return self.call("GET", f"{'queryAll' if everything else 'query'}?q={quote(text)}", **headers)

    def rows(self, text: str, *, everything: bool = False) -> list[dict[str, Any]]:
        """All records of a query, page after page, without their attributes."""
        page = self.query(text, everything=everything).json
        rows = list(page["records"])
        while not page["done"]:
            page = self.call("GET", page["nextRecordsUrl"]).json
            rows += page["records"]
        return [{name: value for name, value in row.items() if name != "attributes"} for row in rows]

    def tooling(self, text: str) -> Answer:
        """A query of Tooling."""
        return self.call("GET", f"tooling/query?q={quote(text)}")

    def update(self, *records: dict[str, Any], all_or_none: bool = False) -> Answer:
        """An sObject Collections update. A record's `type` becomes its attributes."""
        items = [
            {"attributes": {"type": record["type"]}} | {k: v for k, v in record.items() if k != "type"}
            for record in records
        ]
        return self.call("PATCH", "composite/sobjects", {"allOrNone": all_or_none, "records": items})

    def token_for(self, **form: str) -> Answer:
        """The token endpoint."""
        return self.call(
            "POST",
            "/services/oauth2/token",
            urlencode(form).encode(),
            Content_Type="application/x-www-form-urlencoded",
        )

    def job(self, family: str, job_id: str) -> dict[str, Any]:
        """The job once it is settled."""
        for _ in range(500):
            info: dict[str, Any] = self.call("GET", f"jobs/{family}/{job_id}").json
            if info["state"] in ("JobComplete", "Failed", "Aborted"):
                return info
            time.sleep(0.01)
        raise AssertionError("the job did not end")

    def bulk_query(self, text: str, operation: str = "query") -> str:
        """A finished query job's id."""
        created = self.call("POST", "jobs/query", {"operation": operation, "query": text})
        assert created.status == 200, created.body
        assert self.job("query", created.json["id"])["state"] == "JobComplete"
        return str(created.json["id"])

    def ingest(self, content: str, object_name: str = "Contact", operation: str = "update") -> dict[str, Any]:
        """A settled ingest job of that CSV."""
        job_id = self.call("POST", "jobs/ingest", {"object": object_name, "operation": operation}).json["id"]
        assert self.call("PUT", f"jobs/ingest/{job_id}/batches", content.encode()).status == 201
        assert self.call("PATCH", f"jobs/ingest/{job_id}", {"state": "UploadComplete"}).status == 200
        return self.job("ingest", job_id)

    def file(self, job: dict[str, Any], name: str) -> list[str]:
        """The lines of one of a job's result files."""
        return self.call("GET", f"jobs/ingest/{job['id']}/{name}").body.decode().splitlines()
