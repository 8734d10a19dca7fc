"""The practice org for tests: the real server as a child process, and thin methods for its control API."""

import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

START_SECONDS_MAX = 30.0
END_SECONDS_MAX = 10.0


class ControlError(Exception):
    """The control API refused."""


class PracticeOrg:
    """A running practice org. One server serves a whole test session: `reset` between tests takes milliseconds."""

    def __init__(
        self, process: subprocess.Popen[bytes], credentials_file: Path, certificate: Path | None = None
    ) -> None:
        self.process = process
        self.credentials_file = credentials_file
        self.certificate = certificate
        self.credentials: dict[str, str] = json.loads(credentials_file.read_text())
        self.url = self.credentials["instance_url"]

    @classmethod
    @contextlib.contextmanager
    def start(cls, **options: object) -> Iterator["PracticeOrg"]:
        """Starts the server with options such as leads=20, grant_opt_out=True; ends it on the way out.

        `http` and `credentials` may be given too, for example to start a second server in the place of a dead one. With
        `https`, `cert` and `key` everything goes through HTTPS.
        """
        with tempfile.TemporaryDirectory(prefix="practice-org-") as folder:
            file = Path(str(options.pop("credentials", Path(folder) / "credentials.json")))
            stale = _changed_at(file)
            process = launch(file, **options)
            try:
                _wait_for(file, process, stale)
                yield cls(process, file, Path(str(options["cert"])) if "cert" in options else None)
            finally:
                end(process)

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the instance; over HTTPS it trusts the org's certificate only."""
        address = urlsplit(self.url)
        host, port = address.hostname or "", address.port
        if address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=60)
        return http.client.HTTPSConnection(
            host, port, timeout=60, context=ssl.create_default_context(cafile=self.certificate)
        )

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request to the control API; the decoded answer. Raises ControlError for anything but 200."""
        connection = self.connect()
        try:
            connection.request(method, "/practice/api" + path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ControlError(f"{method} {path}: {response.status} {answer}")
        return answer

    def reset(self, **options: object) -> None:
        """A fresh org: leads, contacts, opted_out, sales_opted_out, seed, package, grant_opt_out, lead_field,
        contact_field, person_accounts (how many; None = an org without the feature).

        What is left out is as the server was started. Sessions stay valid; faults, switches and the spy start afresh.
        """
        self.call("POST", "/reset", options)

    def state(self) -> dict[str, list[str]]:
        """How the org is set up, as lines to compare: faults on order, permissions, fields, layouts, switches."""
        state: dict[str, list[str]] = self.call("GET", "/state")
        return state

    def create(self, object_name: str, **values: object) -> str:
        """A record as a person types it in; returns its id. LastName and Company are filled in."""
        return str(self.call("POST", "/records", {"type": object_name, **values})["id"])

    def record(self, record_id: str) -> dict[str, Any]:
        """One record with all fields, hidden ones too, and its `type`."""
        record: dict[str, Any] = self.call("GET", f"/records/{record_id}")
        return record

    def find(self, email: str) -> list[dict[str, Any]]:
        """All records with that address, those in the recycle bin too."""
        records: list[dict[str, Any]] = self.call("GET", f"/records?email={quote(email)}")
        return records

    def edit(self, record_id: str, **values: object) -> dict[str, Any]:
        """A person's edit in Salesforce; SystemModstamp moves. Returns the record."""
        record: dict[str, Any] = self.call("PATCH", f"/records/{record_id}", values)
        return record

    def convert(self, lead_id: str, contact_id: str | None = None, *, copy_opt_out: bool | None = None) -> str:
        """Converts a Lead into a new or an existing Contact; returns the Contact's id.

        Without `copy_opt_out` a new Contact gets the Lead's boxes and an existing one keeps its own.
        """
        body = {"contact_id": contact_id, "copy_opt_out": copy_opt_out}
        return str(self.call("POST", f"/records/{lead_id}/convert", body)["contact_id"])

    def make_person_account(self, contact_id: str) -> str:
        """Turns a Contact into a Person Account; returns the Account's id."""
        return str(self.call("POST", f"/records/{contact_id}/person-account")["account_id"])

    def merge(self, loser_id: str, into: str, *, keep_opt_out: bool | None = None) -> None:
        """Merges one record into another of its type. None: the survivor's boxes stay; True: ticked if either was;
        False: the survivor's boxes are unticked.
        """
        self.call("POST", f"/records/{loser_id}/merge", {"into": into, "keep_opt_out": keep_opt_out})

    def delete(self, record_id: str) -> None:
        """To the recycle bin."""
        self.call("POST", f"/records/{record_id}/delete")

    def undelete(self, record_id: str) -> None:
        """Out of the recycle bin."""
        self.call("POST", f"/records/{record_id}/undelete")

    def purge(self, record_id: str) -> None:
        """Out of the recycle bin for good."""
        self.call("POST", f"/records/{record_id}/purge")

    def grant(self, object_name: str, field: str, access: str) -> None:
        """Field-level security of the integration user: absent, read or edit."""
        self.call("POST", "/access", {"object": object_name, "field": field, "access": access})

    def grant_object(self, object_name: str, access: str) -> None:
        """What the integration user may do with Lead or Contact: absent, read or edit."""
        self.call("POST", "/object-access", {"object": object_name, "access": access})

    def share(self, record_id: str, access: str) -> None:
        """What sharing leaves the integration user of one record: absent, read or edit."""
        self.call("POST", f"/records/{record_id}/sharing", {"access": access})

    def lock(self, record_id: str, *, locked: bool) -> None:
        """An approval process locks the record, or releases it."""
        self.call("POST", f"/records/{record_id}/lock", {"locked": locked})

    def lock_row(self, record_id: str, *, held: bool) -> None:
        """Somebody else's transaction holds the row, and its Account's, or ends."""
        self.call("POST", f"/records/{record_id}/row-lock", {"held": held})

    def rule(self, kind: str, object_name: str, **values: object) -> None:
        """A rule of the org: validation, trigger or duplicate. `when` is a WHERE clause of SOQL; see
        practice_org.rules.
        """
        self.call("POST", "/rules", {"kind": kind, "object": object_name, **values})

    def clear_rules(self) -> None:
        """Forgets all rules."""
        self.call("DELETE", "/rules")

    def maintenance(self, *, read_only: bool) -> None:
        """Read-only mode begins or ends."""
        self.call("POST", "/maintenance", {"read_only": read_only})

    def permit(self, **permissions: bool) -> None:
        """What the integration user's profile permits: api_enabled, view_all_data, modify_all_data, view_setup,
        customize_application, modify_metadata, manage_permission_sets, assign_permission_sets,
        view_and_edit_converted_leads.
        """
        self.call("POST", "/permissions", permissions)

    def edition(self, name: str, *, api_add_on: bool = False, sandbox: bool = False) -> None:
        """The org's edition, such as Professional Edition, which has an API only as an add-on; production or not."""
        self.call("POST", "/edition", {"name": name, "api_add_on": api_add_on, "sandbox": sandbox})

    def package(self, *, installed: bool) -> dict[str, str]:
        """Installs or removes the package with the Marketo Sales Opt Out checkbox; returns its API name per object."""
        fields: dict[str, str] = self.call("POST", "/package", {"installed": installed})["fields"]
        return fields

    def add_layout(self, object_name: str, name: str, *, feed: bool = False) -> str:
        """Another page layout of Lead or Contact, without the opt-out boxes; returns its full name."""
        body = {"object": object_name, "name": name, "feed": feed}
        return str(self.call("POST", "/layouts", body)["full_name"])

    def lay_out(self, layout: str, field: str, behavior: str | None) -> None:
        """A person puts a field on a layout (Edit, Required or Readonly), or takes it off (None)."""
        self.call("POST", "/layouts/item", {"layout": layout, "field": field, "behavior": behavior})

    def fault(self, kind: str, **values: object) -> str:
        """Orders a fault; returns its id. `fault_kinds` lists kinds and options."""
        return str(self.call("POST", "/faults", {"kind": kind, **values})["id"])

    def fault_kinds(self) -> list[dict[str, Any]]:
        """Every kind of fault: kind, strikes, happens, source, client_must, options."""
        kinds: list[dict[str, Any]] = self.call("GET", "/faults/kinds")
        return kinds

    def requests(self, after: int = 0) -> list[dict[str, Any]]:
        """The request log, the oldest first: only requests whose number is higher than `after`."""
        requests: list[dict[str, Any]] = self.call("GET", f"/requests?after={after}")
        return requests

    def faults(self) -> list[dict[str, Any]]:
        """The faults on order, each with how often it struck."""
        faults: list[dict[str, Any]] = self.call("GET", "/faults")
        return faults

    def clear_faults(self) -> None:
        """Forgets all faults."""
        self.call("DELETE", "/faults")

    def flow(self, *, unsets: bool, rate: float = 1.0) -> None:
        """An automation that takes ticks back behind our back, for that share of updated records."""
        self.call("POST", "/flow", {"unsets": unsets, "rate": rate})

    def latency(self, ms: float) -> None:
        """Every request takes that much longer."""
        self.call("POST", "/latency", {"ms": ms})

    def limits(self, **allowances: int) -> None:
        """The org's allowances: daily, used (API requests), bulk_queries_left, change_events_left."""
        self.call("POST", "/limits", allowances)

    def pubsub(self, *, reachable: bool) -> None:
        """Whether something in between lets HTTP/2 through to the Pub/Sub API."""
        self.call("POST", "/pubsub", {"reachable": reachable})

    def behaviour(self, **switches: object) -> None:
        """Switches for what is uncertain about the real thing; see practice_org.behaviour."""
        self.call("POST", "/behaviour", switches)

    def upload_certificate(self, pem: str) -> None:
        """An administrator uploads another certificate to the app; it stays until the server ends."""
        self.call("POST", "/app/certificate", {"pem": pem})

    def expire_sessions(self, *, long_lived: bool = False) -> None:
        """Ends all sessions; the access token of the credentials file only when asked."""
        self.call("POST", "/sessions/expire", {"long_lived": long_lived})

    def spy(self) -> dict[str, Any]:
        """routes, api_calls, update_calls, records_written, false_writes, requests (oldest first)."""
        spy: dict[str, Any] = self.call("GET", "/spy")
        return spy

    def clear_spy(self) -> None:
        """Starts counting afresh."""
        self.call("DELETE", "/spy")

    def opted_out(self, field: str = "HasOptedOutOfEmail") -> dict[str, int]:
        """Live records whose box is ticked, by object."""
        counts: dict[str, int] = self.call("GET", f"/opted-out?field={field}")
        return counts


def launch(credentials_file: Path, **options: object) -> subprocess.Popen[bytes]:
    """Starts the command with our interpreter; it ends when this process does."""
    command = [sys.executable, "-c", "from practice_org.cli import main; main()", "serve"]
    command += ["--credentials", str(credentials_file), "--parent-pid", str(os.getpid())]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            command.append(flag)
        elif value is not False:
            command += [flag, str(value)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the server in good order, by force if it does not obey."""
    process.terminate()
    try:
        process.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _changed_at(file: Path) -> int | None:
    """When the file was last written, in nanoseconds; None while it is not there."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _wait_for(file: Path, process: subprocess.Popen[bytes], stale: int | None) -> None:
    """Waits for a file with another time of change than `stale`."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while _changed_at(file) in (None, stale):
        if process.poll() is not None:
            raise RuntimeError(f"the practice org ended with {process.returncode} instead of starting")
        if time.monotonic() > deadline:
            raise RuntimeError("the practice org did not start in time")
        time.sleep(0.01)
