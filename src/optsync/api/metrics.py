"""/v1/metrics: how things stand, for Prometheus, counted when it asks by the looks of the Overview and `status`."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from psycopg.rows import dict_row

from optsync.api.door import ApiKey
from optsync.api.orgs import chosen
from optsync.api.status import counted
from optsync.config.desk import desk
from optsync.ledger.queries import sql
from optsync.web import propagation, standing
from optsync.web.propagation import LIMITS_SECONDS, Propagation
from optsync.web.standing import Standing

router = Router()

ONE_ORG = ["org"]
GAUGES = {
    "needs_a_person": "1 while somebody must act: the sentence of the Overview is amber or red",
    "unconfirmed": "Boxes in Salesforce that are not known to be ticked yet, whatever they wait for",
    "oldest_unconfirmed_seconds": "Age of the oldest opt-out that is not in Salesforce; 0 when every one is",
    "looked_for": "People still to be looked for in Salesforce",
    "held_people": "People who wait for a decision about a mass change; they are blocked meanwhile",
    "last_proved_timestamp_seconds": "When a sync run last proved that both sides agree; absent before the first",
}
TEXT: dict[str, Any] = {
    "responses": {200: {"description": "OK", "content": {"text/plain": {"schema": {"type": "string"}}}}}
}


@router.get("", auth=ApiKey("read"), response=None, openapi_extra=TEXT)
def get_metrics(request: HttpRequest) -> HttpResponse:
    """Every figure of `optsync status` for every connected org, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Figures(Collector):
    """The figures of this moment."""

    def collect(self) -> Iterator[Metric]:
        """Each metric with a sample for each org."""
        conn = desk().connection()
        orgs = {one.salesforce_id: one.org_id for one in chosen(conn, "")}
        looked = {org: standing.look(conn, org_id, counted(org_id)) for org, org_id in orgs.items()}
        recorded = next(iter(looked.values())).balance.recorded if looked else counted(None).balance.recorded
        yield GaugeMetricFamily("optsync_opt_outs", "Addresses with an account-wide opt-out", value=recorded)
        yield _verdicts(looked)
        for name, about in GAUGES.items():
            yield _gauge(name, about, looked)
        yield _boxes(looked)
        yield _rejected(looked)
        yield _propagation({org: propagation.look(conn, org_id) for org, org_id in orgs.items()})
        yield _of_runs(
            "sf_api_calls", "API calls of 24 hours as the last run heard of them: ours, org, allowed", "kind", orgs
        )
        yield _of_runs("run_seconds", "How long each phase of the last sync run took", "phase", orgs)


def _verdicts(looked: dict[str, Standing]) -> Metric:
    metric = GaugeMetricFamily("optsync_verdict", "The verdict of `optsync status`", labels=["org", "verdict"])
    for org, one in looked.items():
        metric.add_metric([org, one.verdict], 1)
    return metric


def _gauge(name: str, about: str, looked: dict[str, Standing]) -> Metric:
    metric = GaugeMetricFamily(f"optsync_{name}", about, labels=ONE_ORG)
    for org, one in looked.items():
        value = _figure(name, one)
        if value is not None:
            metric.add_metric([org], value)
    return metric


def _figure(name: str, one: Standing) -> float | None:
    balance = one.balance
    match name:
        case "needs_a_person":
            return one.tone in ("warn", "bad")
        case "unconfirmed":
            return balance.owed + balance.held + balance.parked
        case "oldest_unconfirmed_seconds":
            oldest = one.counted.oldest_at if one.counted else None
            return max(0.0, (one.at - oldest).total_seconds()) if oldest else 0.0
        case "last_proved_timestamp_seconds":
            return one.proved_at.timestamp() if one.proved_at else None
        case _:
            return one.exactly(name)


def _boxes(looked: dict[str, Standing]) -> Metric:
    about = "Boxes of opted-out people by what became of them; parked ones wait for a person"
    metric = GaugeMetricFamily("optsync_boxes", about, labels=["org", "state"])
    for org, one in looked.items():
        for state in ("confirmed", "owed", "held", "parked"):
            metric.add_metric([org, state], getattr(one.balance, state))
    return metric


def _rejected(looked: dict[str, Standing]) -> Metric:
    about = "Boxes that Salesforce refuses, by its code; counted to 1,000 for each org"
    metric = GaugeMetricFamily("optsync_rejected", about, labels=["org", "cause"])
    for org, one in looked.items():
        by_code: dict[str, int] = {}
        for parked in one.parked:
            by_code[parked.code] = by_code.get(parked.code, 0) + parked.count
        for code, count in sorted(by_code.items()):
            metric.add_metric([org, code], count)
    return metric


def _propagation(found: dict[str, Propagation | None]) -> Metric:
    about = "Seconds from an unsubscribe to the first box that Salesforce confirmed, of the latest 500"
    metric = GaugeHistogramMetricFamily("optsync_propagation_seconds", about, labels=ONE_ORG)
    for org, one in found.items():
        if one is None:
            continue
        below = [(limit, sum(took < limit for took in one.seconds)) for limit in LIMITS_SECONDS]
        metric.add_metric([org], [(_le(limit), count) for limit, count in below], gsum_value=sum(one.seconds))
    return metric


def _le(limit: float) -> str:
    return "+Inf" if limit == LIMITS_SECONDS[-1] else f"{limit:g}"


def _of_runs(name: str, about: str, label: str, orgs: dict[str, int]) -> Metric:
    metric = GaugeMetricFamily(f"optsync_{name}", about, labels=["org", label])
    for org, org_id in orgs.items():
        with desk().connection().cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(sql("optsync.api", f"metrics_{name}"), {"org": org_id}).fetchall()
        for row in rows:
            metric.add_metric([org, row["label"]], row["value"])
    return metric
