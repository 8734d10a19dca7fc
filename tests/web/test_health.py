"""Health answers say what is true."""

import json
import time
from pathlib import Path

from optsync import seams
from optsync.connection.connect import connect
from optsync.ledger.record import opt_out
from optsync.salesforce.credentials import Credential
from tests.installation import Installation, Site, served
from tests.practice import PracticeOrg
from tests.servers import Servers


def test_live_and_ready(site: Site) -> None:
    assert json.loads(site.request("GET", "/health/live")[1]) == {"live": True}
    assert json.loads(site.request("GET", "/health/ready")[1]) == {"ready": True}


def health(site: Site) -> tuple[int, dict[str, object]]:
    """How the sync is, as a monitor asks."""
    answer, text = site.request("GET", "/health/sync")
    return answer.status, json.loads(text)


def test_sync_is_well_until_somebody_must_act(
    postgres_servers: Servers, tmp_path: Path, practice_org: PracticeOrg
) -> None:
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path)) as site,
        database.connect() as conn,
    ):
        assert health(site) == (200, {"sync": True, "verdicts": ["not connected"]})
        installation = site.installation
        connect(conn, installation.vault, Credential.from_file(practice_org.credentials_file), seams.real())
        conn.execute("SET optsync.clock_offset = -300")  # no worker runs: it has waited for five minutes
        opt_out(conn, installation.vault.subject_key, "ann@example.com", "manual")
        deadline = time.monotonic() + 20
        while (found := health(site))[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert found == (503, {"sync": False, "verdicts": ["slow"]})
