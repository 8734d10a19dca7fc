"""/v1/metrics: what Prometheus reads, and the alert rules and the dashboard that go with it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from optsync.ledger.record import opt_out
from tests.api.conftest import World, a_world
from tests.installation import Site
from tests.program import Program, program
from tests.servers import Servers

MONITORING = Path(__file__).parents[2] / "examples/monitoring"
Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def world(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One of our own: elsewhere thousands of unsubscribes without a box come after the two that were confirmed."""
    with a_world(postgres_servers, tmp_path_factory.mktemp("metrics")) as made:
        yield made


def scrape(reader: Program) -> Samples:
    """Every sample by its name and the values of its labels, but for the org's."""
    answer = reader.get("/v1/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(value for name, value in sorted(sample.labels.items()) if name != "org")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_figures_are_those_of_status(site: Site, world: World) -> None:
    found, status = scrape(program(site, "read")), program(site, "read").get("/v1/status").json
    (org,) = status["orgs"]
    balance = org["balance"]
    assert found["optsync_opt_outs", ()] == status["recorded"]
    for state in ("confirmed", "owed", "held", "parked"):
        assert found["optsync_boxes", (state,)] == balance[state]
    assert found["optsync_unconfirmed", ()] == balance["owed"] + balance["held"] + balance["parked"] > 0
    assert found["optsync_verdict", (org["verdict"],)] == 1
    assert found["optsync_needs_a_person", ()] == 1
    assert found["optsync_rejected", ("INSUFFICIENT_ACCESS_OR_READONLY",)] == 1
    assert found["optsync_oldest_unconfirmed_seconds", ()] > 0
    calls = {kind: found["optsync_sf_api_calls", (kind,)] for kind in ("ours", "org", "allowed")}
    assert 0 < calls["ours"] <= calls["org"] < calls["allowed"]
    phases = {labels[0] for name, labels in found if name == "optsync_run_seconds"}
    assert len(phases) >= 3
    assert all(name.startswith("optsync_") for name, _ in found)
    assert world.salesforce_id in program(site, "read").get("/v1/metrics").text


def test_how_long_unsubscribes_took_falls_into_the_bars_of_the_overview(site: Site, world: World) -> None:
    found = scrape(program(site, "read"))
    bars = {labels[0]: value for (name, labels), value in found.items() if name == "optsync_propagation_seconds_bucket"}
    assert list(bars) == ["1", "2", "5", "15", "60", "300", "+Inf"]
    assert sorted(bars.values()) == list(bars.values())
    assert bars["+Inf"] == found["optsync_propagation_seconds_gcount", ()] >= 1


def test_a_new_opt_out_is_counted_at_the_next_look_and_no_address_is_told(site: Site, world: World) -> None:
    reader = program(site, "read")
    before = scrape(reader)["optsync_opt_outs", ()]
    with site.installation.database.connect() as conn:
        opt_out(conn, site.installation.vault.subject_key, "counted.by.prometheus@example.org", "manual")
    assert scrape(reader)["optsync_opt_outs", ()] == before + 1
    assert "@" not in reader.get("/v1/metrics").text


def test_only_a_key_that_may_read_gets_them(site: Site) -> None:
    assert Program(site).get("/v1/metrics").code == "key-missing"
    assert program(site, "check").get("/v1/metrics").code == "scope-missing"


def test_rules_and_dashboard_ask_for_metrics_that_there_are(site: Site, world: World) -> None:
    known = {name for name, _ in scrape(program(site, "read"))} | {"optsync_last_proved_timestamp_seconds"}
    for file in ("prometheus-alerts.yml", "grafana.json"):
        text = (MONITORING / file).read_text(encoding="utf-8")
        asked = set(re.findall(r"\boptsync_[a-z_]+", text))
        assert asked, file
        assert asked <= known, file
    dashboard = json.loads((MONITORING / "grafana.json").read_text(encoding="utf-8"))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) > 5
