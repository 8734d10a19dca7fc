"""What people do in the practice org: its control API, spoken by whoever plays the Salesforce users of the demo."""

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

from optsync.core.problems import Problem

EMAIL_OPT_OUT = "HasOptedOutOfEmail"


class PracticeUser:
    """A person with a browser in the practice org at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sales_field = ""

    def create(self, kind: str, email: str, name: str) -> str:
        """A new Lead or Contact; its id."""
        return str(self.call("POST", "/records", {"type": kind, "Email": email, "LastName": name})["id"])

    def tick(self, record_id: str, field: str, value: bool = True) -> None:
        """Sets or clears a box by hand."""
        self.call("PATCH", f"/records/{record_id}", {field: value})

    def box(self, record_id: str, field: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.call("GET", f"/records/{record_id}").get(field))

    def install_package(self) -> None:
        """The package with the sales field; afterwards `sales_field` is its API name on Contact."""
        self.sales_field = self.call("POST", "/package", {"installed": True})["fields"]["Contact"]

    def slow_down(self, milliseconds: float) -> None:
        """How long every answer of the org takes longer."""
        self.call("POST", "/latency", {"ms": milliseconds})

    def spy(self) -> dict[str, Any]:
        """What the org counted: api_calls, false_writes and more."""
        counted: dict[str, Any] = self.call("GET", "/spy")
        return counted

    def find_page(self, email: str) -> str:
        """The address of the page that shows a person's records."""
        return f"{self.url}/practice?q={quote(email)}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One control request. Raises Problem when the practice org refuses or is gone."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        try:
            connection.request(method, f"/practice/api{path}", None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        except OSError as error:
            raise Problem(
                f"the practice org does not answer: {error}",
                "the demo stopped there; no real Salesforce was touched",
                "run it again; if it stays: optsync demo --keep, and read org.log in the folder it names",
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            raise Problem(f"the practice org refused: {answer}", "the demo stopped", "this is a fault: report it")
        return answer
