"""Reading changes nothing: GET, HEAD and OPTIONS leave every row of every table as it was, on every address we have."""

import pytest
from psycopg.sql import SQL, Identifier

from optsync import seams
from optsync.config.database import Connection
from optsync.public.tokens import make_token
from optsync.web.sign_in import make_link
from tests.installation import Site
from tests.web.colleagues import by_password, settled
from tests.web.routes import every_route, filled

EVERY_TABLE = """SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
                 WHERE nspname = 'public' AND relkind = 'r' ORDER BY relname"""

LISTS = [
    "/people?record=00Q000000000001EAA",
    "/people/evidence?address=safe@example.com",
    "/unsubscribes?state=parked&source=manual&since=2026-01-01",
    "/holds/1?decide=drop",
    "/search?q=00Q000000000001EAA",
]


def contents(conn: Connection) -> dict[str, str]:
    """A fingerprint of every table."""
    found = {}
    for (name,) in conn.execute(EVERY_TABLE).fetchall():
        statement = SQL("SELECT coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM {} t")
        row = conn.execute(statement.format(Identifier(name))).fetchone()
        assert row is not None
        found[name] = row[0]
    return found


@pytest.fixture
def every_path(site: Site) -> list[str]:
    """A real address for each route."""
    with site.installation.database.connect() as conn:
        secret = make_link(conn, seams.real().token_bytes)
    token = make_token(site.installation.vault.link_keys, seams.real().token_bytes, "safe@example.com")
    values = {
        "<str:token>": token,
        "<path:token>": f"{token}/",
        "<str:secret>": secret,
        "<int:run_id>": "1",
        "<int:hold_id>": "1",
    }
    values |= {"<person_id>": "1", "<run_id>": "1", "<int:pk>": "1", "<int:user_id>": "1", "<str:handle>": "0" * 12}
    values |= {"<int:endpoint_id>": "1", "<endpoint_id>": "1", "<delivery_id>": "1"}
    values |= {
        "<int:upload_id>": "1",
        "<import_id>": "1",
        "<str:kind>": "Contact",
        "<slug:cause>": "1-0",
        "<slug:provider>": "sendgrid",
        "<domain>": "example.com",
        "<handle>": "0" * 12,
    }
    paths = [filled(route, values) for route in every_route(site)]
    return [*paths, "/?address=safe@example.com", "/people?address=safe@example.com", *LISTS]


@pytest.mark.parametrize("who", ["the operator of the machine", "a user", "nobody"])
def test_get_head_and_options_change_zero_rows(site: Site, cookie: str, every_path: list[str], who: str) -> None:
    if who == "a user":
        cookies = by_password(site, settled(site, "admin")).cookies
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    elif who == "nobody":
        cookie = ""
    with site.installation.database.connect() as conn:
        before = contents(conn)
        for path in every_path:
            for method in ("GET", "HEAD", "OPTIONS"):
                answer, _ = site.request(method, path, headers={"Cookie": cookie})
                assert answer.status < 500 or path == "/health/sync", path  # 503 while somebody must act
        assert contents(conn) == before
