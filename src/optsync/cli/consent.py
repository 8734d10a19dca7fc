"""`optsync connect --web`: a person lets our app in at Salesforce's page; the browser comes back to this machine."""

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.salesforce.web_flow import Attempt
    from optsync.seams import Seams

CALLBACK_PATH = "/OauthRedirect"
LOOK_SECONDS = 1.0
GOOD = b"<!doctype html><title>optsync</title><p>You may close this window. optsync goes on in the terminal."
BAD = b"<!doctype html><title>optsync</title><p>This is not the answer that optsync waits for."


class Listener(HTTPServer):
    """Waits at http://localhost:PORT/OauthRedirect for the one answer to an attempt; anything else is turned away."""

    def __init__(self, port: int) -> None:
        """Raises Problem when somebody else listens there. Port 0 takes a free one."""
        self.attempt: Attempt | None = None
        self.brought: Mapping[str, str] | None = None
        try:
            super().__init__(("127.0.0.1", port), _Answer)
        except OSError as error:
            raise Problem(
                f"port {port} of this machine is taken ({error.strerror})",
                "Salesforce's answer could not come back; nothing was sent",
                "name a free one with --port, and enter its address as callback URL in the app",
            ) from error
        self.timeout = LOOK_SECONDS

    @property
    def callback(self) -> str:
        """The callback URL, to the letter."""
        return f"http://localhost:{self.server_port}{CALLBACK_PATH}"

    def wait(self, attempt: "Attempt", seams: "Seams", seconds: float) -> Mapping[str, str]:
        """What the browser brings back. Raises Problem when nobody comes in time."""
        self.attempt, ends_at = attempt, seams.monotonic() + seconds
        while self.brought is None:
            if seams.monotonic() > ends_at:
                raise Problem("nobody came back from Salesforce in time", "nothing was stored", "run it again")
            self.handle_request()
        return self.brought


class _Answer(BaseHTTPRequestHandler):
    """One request of the browser."""

    server: Listener

    def do_GET(self) -> None:
        """Takes the answer with our state, and no other."""
        address = urlsplit(self.path)
        brought = dict(parse_qsl(address.query))
        attempt = self.server.attempt
        is_ours = address.path == CALLBACK_PATH and attempt is not None and brought.get("state") == attempt.state
        if is_ours:
            self.server.brought = brought
        text = GOOD if is_ours else BAD
        self.send_response(200 if is_ours else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Says nothing: the address holds a code."""
