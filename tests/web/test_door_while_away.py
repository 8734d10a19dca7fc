"""The recipients' door while the database is away: the page opens, promises nothing, loses nothing that was asked."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from optsync import seams
from optsync.ledger.check import may_mail
from optsync.public.tokens import make_token
from tests.installation import FORM, Installation, Site, served
from tests.servers import Servers, away

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture
def alone(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose database may go away."""
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path_factory.mktemp("door"))) as site,
    ):
        yield site


def test_r11_the_page_opens_promises_nothing_and_asks_again_what_was_asked(
    alone: Site, postgres_servers: Servers
) -> None:
    vault = alone.installation.vault
    path = "/u/" + make_token(vault.link_keys, seams.real().token_bytes, "ann@example.com", "", "Jane")
    asked = [
        (path, {"List-Unsubscribe": "One-Click"}, {}),
        (path, {"stop": "sender"}, {"stop": "sender"}),
        ("/u/", {"address": "bob@example.com"}, {"address": "bob@example.com"}),
        (f"{path}/why", {"why": "other", "comment": "x"}, {"why": "other", "comment": "x"}),
    ]
    with away(postgres_servers, alone.installation.database):
        for opened in (path, f"{path}/why", "/u/"):
            assert alone.request("GET", opened)[0].status == 200
        for where, fields, kept in asked:
            answer, text = alone.request("POST", where, urlencode(fields), FORM)
            assert answer.status == 503
            assert int(answer.getheader("Retry-After") or 0) > 0
            assert dict(HIDDEN.findall(text)) == kept
            assert "Done" not in text
    for where, fields, _ in asked:
        assert alone.request("POST", where, urlencode(fields), FORM)[0].status == 200
    with alone.installation.database.connect() as conn:
        verdicts = may_mail(conn, vault.subject_key, ["ann@example.com", "bob@example.com"])
    assert [verdict.allowed for verdict in verdicts] == [False, False]
