"""Looking for what is wrong, and the messages that follow. One worker at a time; each look is one transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from optsync.alerts.channels import PACKAGE, Channel, listing
from optsync.alerts.rules import (
    OVER,
    PROOF_HOURS,
    RULES,
    SAFE,
    SLOW_LEAST,
    SLOW_SECONDS,
    Alert,
    Condition,
    Step,
    held_stage,
    late_stage,
    steps,
)
from optsync.connection.connect import connections
from optsync.ledger import late
from optsync.ledger.queries import sql

HISTORY: Final = 50


def look(conn: psycopg.Connection, url: str | None = None) -> bool:
    """Sees what is wrong now and queues what is to be told. False when another worker is at it.

    `url` is the address of the pages, for the messages.
    """
    with conn.transaction():
        row = conn.execute(sql(PACKAGE, "watch_alone")).fetchone()
        assert row is not None  # a SELECT without FROM answers with one row
        alone, now = row
        if not alone:
            return False
        for condition in conditions(conn, now):
            _see(conn, condition, now)
        connected = {org.org_id for org in connections(conn)}
        for step, alert in steps(now, _alerts(conn, "open_alerts")):
            _write(conn, step, alert, now, connected)
        channels = listing(conn)
        _tell(conn, channels, url, connected)
        _ping(conn, channels)
        _weekly(conn, channels)
    return True


def conditions(conn: psycopg.Connection, now: datetime) -> list[Condition]:
    """Everything that is wrong at this moment."""
    found = [_of_org("sign-in" if one.pop("is_sign_in") else "paused", one) for one in _rows(conn, "pauses_now")]
    refused = _rows(conn, "refused_now")
    found += [Condition("issue", f"issue {one['org_id']} {one['code']}", one) for one in refused]
    for org_id in {one["org_id"] for one in refused}:
        here = [one for one in refused if one["org_id"] == org_id]
        figures = {"org_id": org_id, "org": here[0]["org"], "boxes": sum(one["boxes"] for one in here)}
        found.append(_of_org("parked", figures))
    for one in _rows(conn, "holds_now"):
        rule, stage = ("held" if one["hold_id"] else "crowded"), held_stage(one["hours"])
        found.append(Condition(rule, f"{rule} {one['hold_id']}", {"people": one["people"]}, stage))
    for one in _rows(conn, "unproved_now", {"hours": PROOF_HOURS}):
        one.pop("proved_at")
        found.append(_of_org("not proved", one | {"hours": PROOF_HOURS}))
    slow = _rows(conn, "slow_now", {"least": SLOW_LEAST, "seconds": SLOW_SECONDS})
    found += [_of_org("slow", one | {"minutes": SLOW_SECONDS // 60}) for one in slow]
    found += [
        Condition("webhook", f"webhook {one['endpoint_id']}", {"endpoint": one["endpoint_id"], "why": one["why"]})
        for one in _rows(conn, "webhooks_ended")
    ]
    return found + _late(conn, now)


def _late(conn: psycopg.Connection, now: datetime) -> list[Condition]:
    found = []
    for org in connections(conn):
        since = late.oldest(conn, org.org_id)
        stage = None if since is None else late_stage(since, now)
        if since is not None and stage is not None:
            figures = {"org_id": org.org_id, "org": org.name, "hours": int((now - since).total_seconds() // 3600)}
            found.append(_of_org("late", figures, stage))
    return found


def _of_org(rule: str, figures: Mapping[str, Any], stage: int = 0) -> Condition:
    return Condition(rule, f"{rule} {figures['org_id']}", figures, stage)


def history(conn: psycopg.Connection) -> list[Alert]:
    """The problems that people were told of: the open ones, then the newest."""
    return [alert for alert in _alerts(conn, "told_alerts", {"limit": HISTORY}) if RULES[alert.rule].is_mailed]


def _see(conn: psycopg.Connection, one: Condition, now: datetime) -> None:
    values = {"rule": one.rule, "problem": one.problem, "stage": one.stage, "figures": Jsonb(dict(one.figures))}
    conn.execute(sql(PACKAGE, "see_alert"), values | {"now": now})


def _write(conn: psycopg.Connection, step: Step, alert: Alert, now: datetime, connected: Collection[int]) -> None:
    """One step of a problem, with its event when programs hear of it."""
    conn.execute(sql(PACKAGE, f"{step}_alert"), {"alert_id": alert.alert_id, "now": now})
    is_fixed = step == "fix" and not _is_of_disconnected(alert, connected)
    if is_fixed or (step == "tell" and alert.told_at is None):
        _write_event(conn, alert, is_fixed=step == "fix")


def _write_event(conn: psycopg.Connection, alert: Alert, *, is_fixed: bool) -> None:
    events = RULES[alert.rule].events
    if events is None:
        return
    figures = alert.figures
    values = {"kind": events[is_fixed], "org": figures.get("org_id"), "code": figures.get("code")}
    evidence = {"boxes": figures["boxes"]} if "boxes" in figures else {}
    conn.execute(sql(PACKAGE, "write_alert_event"), values | {"evidence": Jsonb(evidence)})


def _is_of_disconnected(alert: Alert, connected: Collection[int]) -> bool:
    """Whether it ended because its org was disconnected: nothing was fixed."""
    return "org_id" in alert.figures and alert.figures["org_id"] not in connected


def _tell(conn: psycopg.Connection, channels: Sequence[Channel], url: str | None, connected: Collection[int]) -> None:
    """Every channel is told of every problem as far as it has grown, once; and that it is fixed, if it knew of it."""
    for alert in _alerts(conn, "tellable"):
        if not RULES[alert.rule].is_mailed:
            continue
        for channel in channels:
            if channel.kind == "heartbeat":
                continue
            if alert.fixed_at is None:
                subject, body = f"[optsync] {alert.title}", text_of(alert.sentence, SAFE, url)
                _put(conn, channel, f"alert {alert.alert_id} stage {alert.stage}", subject, body)
            elif channel.made_at < alert.fixed_at and _is_of_disconnected(alert, connected):
                subject, body = f"[optsync] Over: {alert.title}", text_of(OVER % alert.figures, SAFE, url)
                _put(conn, channel, f"alert {alert.alert_id} fixed", subject, body)
            elif channel.made_at < alert.fixed_at:
                subject, body = f"[optsync] Fixed: {alert.title}", text_of(alert.fixed_sentence, "", url)
                _put(conn, channel, f"alert {alert.alert_id} fixed", subject, body)


def text_of(sentence: str, safe: str, url: str | None) -> str:
    """The text of a message: what is wrong, whether anybody can be mailed, where to look."""
    return "\n\n".join(part for part in (sentence, safe, url or "") if part) + "\n"


def _ping(conn: psycopg.Connection, channels: Sequence[Channel]) -> None:
    """Each proved run is a ping; what a heartbeat watches for is its absence."""
    hearts = [channel for channel in channels if channel.kind == "heartbeat"]
    if hearts:
        for one in _rows(conn, "proved_lately"):
            for channel in hearts:
                _put(conn, channel, f"run {one['run_id']}", "heartbeat", "")


def _weekly(conn: psycopg.Connection, channels: Sequence[Channel]) -> None:
    """On Mondays, by e-mail, while all is well: a line for the compliance folder."""
    mails = [channel for channel in channels if channel.kind == "email"]
    for one in _rows(conn, "week") if mails else []:
        body = (
            f"All proved. In the last 7 days {one['runs']:,} sync runs proved, by reading Salesforce again, that both "
            f"sides agree. People who are unsubscribed: {one['people']:,}. Nobody of them can be mailed.\n"
        )
        for channel in mails:
            _put(conn, channel, f"week {one['week']}", f"[optsync] All proved, week {one['week']}", body)


def send_tests(conn: psycopg.Connection, name: str, channel_id: int | None = None) -> int:
    """Queues a test message for one channel or all; `name` tells it from others. How many there are."""
    asked = [one for one in listing(conn) if channel_id in (None, one.channel_id)]
    for channel in asked:
        body = "This is a test. Nothing is wrong; nobody who is unsubscribed is mailed.\n"
        _put(conn, channel, f"test {name}", "[optsync] Test", body)
    return len(asked)


def _put(conn: psycopg.Connection, channel: Channel, name: str, subject: str, body: str) -> None:
    values = {"channel": channel.channel_id, "name": name, "subject": subject, "body": body}
    conn.execute(sql(PACKAGE, "put_message"), values)


def _alerts(conn: psycopg.Connection, statement: str, values: Mapping[str, Any] | None = None) -> list[Alert]:
    with conn.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(sql(PACKAGE, statement), values).fetchall()


def _rows(conn: psycopg.Connection, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql(PACKAGE, statement), values).fetchall()
