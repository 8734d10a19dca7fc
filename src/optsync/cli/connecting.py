"""Connecting a Salesforce org, and what stands in the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optsync.cli.house import opened
from optsync.cli.output import BAD, OK, SKIP, WARN, Output, Ticker, interactive, with_output, with_yes
from optsync.cli.people import operator
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.salesforce.credentials import Credential
    from optsync.salesforce.oauth import Grant
    from optsync.salesforce.session import Session
    from optsync.seams import Seams

FAILED, WARNED, NEEDS_YES = 1, 3, 5
KEPT = "Opt-outs stay blocked here and wait; connecting the same org again pushes them."
CREDENTIALS_HELP = """\b
FILE is one JSON object:
  login_url          https://NAME.my.salesforce.com
  client_id          the app's consumer key
  username           the integration user (JWT)
  private_key_file   PEM file beside it (JWT)
  client_secret      the app's secret (client credentials; with --web where the app wants it)"""
WEB_PORT = 1717
"""Where Salesforce's own command line listens, too: many apps have it among their callbacks."""


@click.command(epilog=CREDENTIALS_HELP)
@click.option(
    "--credentials",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="How to sign in; secrets come from this file, never from the command line.",
)
@click.option("--web", is_flag=True, help="Sign in with Salesforce in a browser on this machine (web-server flow).")
@click.option("--port", default=WEB_PORT, show_default=True, help="Of the callback URL, with --web.")
@with_output
def connect(out: Output, file: Path, web: bool, port: int) -> int:
    """Connect a Salesforce org with the credentials in FILE.

    Every opt-out recorded so far becomes due there. The credential is stored encrypted; FILE may be deleted then. With
    --web a person lets the app in; its callback URL is http://localhost:1717/OauthRedirect.
    """
    from optsync.connection.connect import connect as connect_org
    from optsync.salesforce.credentials import Credential

    credential = None if web else Credential.from_file(file)
    with opened(out) as house:
        grant = None
        if credential is None:
            credential, grant = _let_in(out, house.seams, file, port)
        org = connect_org(house.conn, house.vault, credential, house.seams, grant=grant, actor=operator())
    findings = [str(finding) for finding in org.findings]
    answer = {
        "org": org.salesforce_id,
        "name": org.name,
        "edition": org.edition,
        "sandbox": org.is_sandbox,
        "new": org.is_new,
        "findings": findings,
        "custom_fields": [field.lead_name for field in org.custom_fields],
    }
    lines = [f"{OK} Connected to {org.name} ({org.salesforce_id}, {org.edition})"]
    lines += [f"{WARN} {finding}; opt-outs wait as owed until it is granted" for finding in findings]
    out.show(answer, *lines, "  Next: optsync doctor, then optsync settings sync on")
    return WARNED if findings else 0


def _let_in(out: Output, seams: "Seams", file: Path, port: int) -> "tuple[Credential, Grant]":
    """What a person's consent gives: the credential to store, and the session that came with it."""
    from optsync.cli.consent import Listener
    from optsync.salesforce.web_flow import ATTEMPT_SECONDS, app_from_file, begin, finish

    with Listener(port) as listener:
        attempt = begin(app_from_file(file), listener.callback, seams)
        out.say(f"Open this address in a browser on this machine, and allow the access:\n{attempt.url}")
        brought = listener.wait(attempt, seams, ATTEMPT_SECONDS)
    return finish(attempt, brought, seams)


@click.command()
@click.option("--org", help="The org's id, when several are connected.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def disconnect(out: Output, org: str | None, yes: bool) -> int:
    """End the connection of a Salesforce org and destroy its credential.

    Opt-outs are kept and still blocked here; nothing is pushed to the org any more, and boxes already ticked stay.
    History and proof stay. Connecting the same org again resumes where it was: what was recorded meanwhile is pushed
    then. Exit code 0: done; 3: done, but Salesforce could not be told; 5: it waits for a yes.
    """
    from optsync.connection.connect import connections
    from optsync.sync.disconnecting import disconnect as disconnect_org

    with opened(out) as house:
        org_id = house.org_id(org)
        known = next(one for one in connections(house.conn) if one.org_id == org_id)
        named = f"{known.name} ({known.salesforce_id})"
        if not (yes or (interactive() and click.confirm(f"Disconnect {named}?", err=True))):
            raise Problem(
                f"disconnecting {named} waits for a yes",
                "its credential would be destroyed and nothing pushed to it any more; nothing was changed",
                f"repeat the command with --yes: {with_yes()}",
                NEEDS_YES,
            )
        ended = disconnect_org(house.conn, house.vault, house.seams, org_id, operator())
    lines = [f"{OK} Disconnected from {named}; its credential is destroyed.", f"  {KEPT}"]
    if ended == "not revoked":
        lines.append(f"{WARN} Salesforce could not be told: end it there, too, in Setup > Connected Apps OAuth Usage.")
    out.show({"org": known.salesforce_id, "name": known.name, "revoked": ended != "not revoked"}, *lines)
    return WARNED if ended == "not revoked" else 0


@click.command()
@click.option("--canary", is_flag=True, help="Also make a test Lead, tick it, read it back and delete it.")
@click.option("--org", help="The org's id, when several are connected.")
@with_output
def doctor(out: Output, canary: bool, org: str | None) -> int:
    """Check everything between an opt-out and Salesforce.

    Changes nothing, but for --canary. Exit code 0: all pass; 3: warnings; 1: something fails, with the fix beside it.
    """
    from optsync.connection.doctor import run

    with opened(out) as house:
        org_id = house.org_id(org)
        url = house.environment.public_url
        checks = run(
            house.conn, lambda: house.vault, org_id, house.database, house.seams, public_url=url, canary=canary
        )
    signs = {"pass": OK, "warn": WARN, "fail": BAD, "skip": SKIP}
    lines = []
    for check in checks:
        skipped = f": skipped, {check.why}" if check.state == "skip" else ""
        lines.append(f"  {signs[check.state]} {check.title}{skipped}")
        if check.state in ("warn", "fail"):
            lines += [f"      Why  {check.why}", f"      Fix  {check.fix}"]
            lines += [f"      In   {check.link}"] if check.link else []
    counts = {state: sum(check.state == state for check in checks) for state in signs}
    warnings = f"{counts['warn']} warning{'' if counts['warn'] == 1 else 's'}"
    lines.append(f"  {counts['pass']} passed, {warnings}, {counts['fail']} failed.")
    answer = [
        {"id": c.id, "title": c.title, "state": c.state, "why": c.why, "fix": c.fix, "link": c.link, "place": c.place}
        for c in checks
    ]
    out.show({"counts": counts, "checks": answer}, *lines)
    return FAILED if counts["fail"] else WARNED if counts["warn"] else 0


@click.command("contract-check")
@click.option("--org", help="The org's id, when several are connected.")
@click.option(
    "--credentials",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Ask this org instead, without connecting it.",
)
@click.option("--production", is_flag=True, help="Ask although people of yours are in that org.")
@with_output
def contract_check(out: Output, org: str | None, file: Path | None, production: bool) -> int:
    """Does this org answer as the practice org does? Meant for a sandbox.

    Makes a Lead and some Contacts, ticks their boxes and deletes them again; nobody else's record is touched. Exit code
    0: the same; 3: some answers differ or could not be seen; 1: a record of the check's own is left.
    """
    from optsync.salesforce.contract import check

    ticker = Ticker()
    with _session(out, org, file) as (session, seams):
        report = check(session, seams, production=production, progress=ticker)
    ticker.done()
    signs = {"same": OK, "differs": BAD, "not seen": SKIP}
    lines = []
    for finding in report.findings:
        lines.append(f"  {signs[finding.verdict]} {finding.fact.question} {finding.found}")
        if finding.verdict == "differs":
            lines.append(f"      practice org  {finding.fact.expected} ({finding.fact.source})")
    counts = {verdict: sum(one.verdict == verdict for one in report.findings) for verdict in signs}
    lines.append("  " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".")
    lines += [f"  {BAD} Not deleted again: {record_id}; delete it in Salesforce" for record_id in report.left]
    findings = [
        {"id": f.fact.id, "verdict": f.verdict, "found": f.found, "expected": f.fact.expected, "source": f.fact.source}
        for f in report.findings
    ]
    out.show({"counts": counts, "findings": findings, "left": report.left}, *lines)
    return FAILED if report.left else 0 if counts["same"] == len(report.findings) else WARNED


@contextmanager
def _session(out: Output, org: str | None, file: Path | None) -> "Iterator[tuple[Session, Seams]]":
    """A session with the org of FILE, or else with the connected one."""
    from optsync import seams
    from optsync.connection import sessions
    from optsync.salesforce.credentials import Credential
    from optsync.salesforce.session import open_session

    if file is not None:
        with open_session(Credential.from_file(file), seams.real()) as session:
            yield session, seams.real()
        return
    with (
        opened(out) as house,
        sessions.open_session(house.conn, house.vault, house.org_id(org), house.seams) as session,
    ):
        yield session, house.seams
