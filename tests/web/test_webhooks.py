"""Webhooks on the pages: added with a secret that is shown once, tried, resent, disabled, and only by an admin."""

from collections.abc import Iterator

import pytest

from optsync.webhooks import endpoints
from optsync.webhooks.delivering import Claimed, settle
from optsync.webhooks.egress import Answer
from optsync.webhooks.retries import Fate
from tests.installation import Site
from tests.web.conftest import press, read

URL = "https://hooks.example.com/optsync?<b>"


@pytest.fixture
def endpoint(site: Site, cookie: str) -> Iterator[int]:
    """An endpoint that was added on the page."""
    status, text = press(site, cookie, "/settings/webhooks", url=URL, type="unsubscribe.created")
    assert status == 200
    assert "whsec_" in text
    with site.installation.database.connect() as conn:
        number = max(one.endpoint_id for one in endpoints.listing(conn))
        yield number
        endpoints.remove(conn, number, actor="test")


def test_the_secret_is_shown_once(site: Site, cookie: str, endpoint: int) -> None:
    for path in ("/settings/webhooks", f"/settings/webhooks/{endpoint}"):
        text = read(site, cookie, path)
        assert "https://hooks.example.com/optsync?&lt;b&gt;" in text
        assert "whsec_" not in text
    status, text = press(site, cookie, f"/settings/webhooks/{endpoint}", deed="rotate")
    assert status == 200
    assert "Store this secret now: it is not shown again." in text
    assert "whsec_" in text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.com/", "it does not begin with https://"),
        ("https://me:secret@hooks.example.com/", "it holds a user name or a password"),
        ("ftp://x", "it does not begin with https://"),
        ("", "it is no address of the form https://host/path"),
    ],
)
def test_a_wrong_address_comes_back_with_what_was_typed(site: Site, cookie: str, url: str, said: str) -> None:
    status, text = press(site, cookie, "/settings/webhooks", url=url, type="sync.held")
    assert status == 422
    assert said in text
    assert f'value="{url}"' in text


def test_no_type_is_refused(site: Site, cookie: str) -> None:
    status, text = press(site, cookie, "/settings/webhooks", url=URL)
    assert status == 422
    assert "No type of event was chosen" in text


def test_each_attempt_is_shown_and_can_be_resent(site: Site, cookie: str, endpoint: int) -> None:
    here = f"/settings/webhooks/{endpoint}"
    status, text = press(site, cookie, here, deed="test")
    assert status == 302
    assert "A test event is on its way." in text
    with site.installation.database.connect() as conn:
        delivery = endpoints.deliveries(conn, endpoint, 2**62, 1)[0]
        said = Answer(500, "<script>no</script>", 17)
        settle(conn, Claimed(delivery.delivery_id, endpoint, 8), said, Fate("given up"))
    text = read(site, cookie, here)
    assert "HTTP 500" in text
    assert "17 ms" in text
    assert "&lt;script&gt;no&lt;/script&gt;" in text
    assert "Given up" in text
    status, text = press(site, cookie, here, deed="resend", delivery=str(delivery.delivery_id))
    assert status == 302
    assert "This delivery is due again." in text
    assert "Waits for its next attempt" in text


def test_everything_of_some_hours_is_sent_again_on_request(site: Site, cookie: str, endpoint: int) -> None:
    here = f"/settings/webhooks/{endpoint}"
    assert "Send everything again" in read(site, cookie, here)
    status, text = press(site, cookie, here, deed="replay", hours="720")
    assert status == 302
    assert "What happened since then is sent again." in text
    for hours in ("721", "9" * 15):
        status, text = press(site, cookie, here, deed="replay", hours=hours)
        assert (status, "This moment is not within the last 30 days" in text) == (422, True), hours
    with site.installation.database.connect() as conn:
        told = conn.execute("SELECT count(*) FROM event WHERE kind = 'webhook replayed' AND actor = 'admin'").fetchone()
    assert told is not None
    assert told[0] >= 1


def test_disabled_says_why_and_tries_nothing(site: Site, cookie: str, endpoint: int) -> None:
    here = f"/settings/webhooks/{endpoint}"
    assert "Disabled by hand." in press(site, cookie, here, deed="disable")[1]
    with site.installation.database.connect() as conn:
        conn.execute("UPDATE webhook_endpoint SET disabled_why = 'gone' WHERE endpoint_id = %s", [endpoint])
    assert "it answered 410" in read(site, cookie, here)
    assert press(site, cookie, here, deed="test")[0] == 422
    assert "Deliveries go on where they stopped." in press(site, cookie, here, deed="enable")[1]


def test_what_is_gone_or_was_never_there_is_no_error_of_ours(site: Site, cookie: str, endpoint: int) -> None:
    assert site.request("GET", "/settings/webhooks/99999", headers={"Cookie": cookie})[0].status == 404
    assert site.request("GET", f"/settings/webhooks/{10**30}", headers={"Cookie": cookie})[0].status == 404
    here = f"/settings/webhooks/{endpoint}"
    for deed, delivery in (("resend", "x"), ("resend", "9" * 40), ("explode", "1")):
        assert press(site, cookie, here, deed=deed, delivery=delivery)[0] == 302
    assert "Deliveries" in read(site, cookie, f"{here}?before=-1")
    assert "Removed." in press(site, cookie, here, deed="remove")[1]
