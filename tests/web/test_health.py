"""Health answers say what is true."""

import json

from tests.installation import Site


def test_live_and_ready(site: Site) -> None:
    assert json.loads(site.request("GET", "/health/live")[1]) == {"live": True}
    assert json.loads(site.request("GET", "/health/ready")[1]) == {"ready": True}
