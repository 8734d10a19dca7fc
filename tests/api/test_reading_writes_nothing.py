"""GET and HEAD with a key leave every row of the ledger as it was; only a key's last use may be written."""

from functools import reduce

from psycopg.sql import SQL, Identifier

from optsync.config.database import Connection
from optsync.ledger import uploads
from optsync.seams import real
from optsync.sync.nightly import start_due
from tests.api.conftest import World, end_unfinished_run
from tests.program import Program

EVERY_TABLE = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'api_key' ORDER BY 1"


def contents(conn: Connection) -> dict[str, str]:
    """A fingerprint of every table."""
    found = {}
    for (name,) in conn.execute(EVERY_TABLE).fetchall():
        statement = SQL("SELECT coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM {} t")
        row = conn.execute(statement.format(Identifier(name))).fetchone()
        assert row is not None
        found[name] = row[0]
    return found


def an_import(admin: Program, world: World, conn: Connection) -> str:
    """The number of a file that was imported, with a row that came back."""
    kept = admin.ask("POST", "/v1/imports", b"read@example.com\nnonsense\n", Content_Type="text/csv")
    installation = world.site.installation
    while uploads.work_on_one(conn, installation.database.connect, installation.vault):
        pass
    return str(kept.json["id"])


def a_preview(admin: Program, world: World) -> int:
    """The number of a dry run that was asked for and done."""
    installation = world.site.installation
    end_unfinished_run(world)
    number: int = admin.ask("POST", "/v1/preview").json["id"]
    start_due(installation.database, installation.vault, real())
    return number


def test_get_and_head_change_zero_rows(admin: Program, world: World) -> None:
    paths = admin.get("/v1/openapi.json").json["paths"]
    types = ["sync.held"]
    made = admin.ask("POST", "/v1/webhooks", {"url": "https://hooks.example.com/", "types": types}).json["id"]
    with world.site.installation.database.connect() as conn:
        numbers = {"{person_id}": "1", "{run_id}": str(world.run_id), "{import_id}": an_import(admin, world, conn)}
        numbers |= {"{endpoint_id}": str(made), "{delivery_id}": "1"}
        numbers |= {"{handle}": "0" * 12, "{domain}": "example.com"}
        admin.ask("POST", "/v1/doctor")
        preview = {"/v1/preview/{run_id}": f"/v1/preview/{a_preview(admin, world)}"}
        before = contents(conn)
        for path in paths:
            for method in ("GET", "HEAD", "OPTIONS"):
                asked = reduce(lambda text, name: text.replace(name, numbers[name]), numbers, preview.get(path, path))
                answer = admin.ask(method, asked)
                assert answer.status in (200, 405), (method, path)
        assert contents(conn) == before
    admin.ask("DELETE", f"/v1/webhooks/{made}")
