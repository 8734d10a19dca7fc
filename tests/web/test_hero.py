"""Every state of the Overview's sentence over real HTTP: its words and button in both languages, and in `status`."""

import re
import time
from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from optsync import seams
from optsync.config.database import Connection, Database
from optsync.connection.connect import connect
from optsync.ledger import holds, marks, people, record
from optsync.ledger.people import Link
from optsync.salesforce.credentials import Credential
from optsync.web.standing import Verdict
from tests.flows.ledger.desk import Desk
from tests.installation import Installation, Site, served
from tests.practice import PracticeOrg
from tests.servers import Servers
from tests.web.colleagues import colleague, invited
from tests.web.conftest import read, sign_in

PROVED = (
    "INSERT INTO run (org_id, kind, state, result, by_whom, started_at, finished_at) "
    "VALUES (1, 'nightly', 'finished', %(result)s, 'worker', clock() - %(age)s::interval, clock() - %(age)s::interval)"
)
PATIENCE_SECONDS = 30.0
KEY = b"a subject key of thirty-two byte"
ON = "UPDATE settings SET sync_on_since = clock() - interval '9 days', first_run_approved_at = clock()"
OFF = "UPDATE settings SET sync_on_since = NULL, first_run_approved_at = NULL"


def one_box(conn: Connection) -> None:
    """Ann is unsubscribed and has one Contact, whose box is owed."""
    people.link(conn, KEY, 1, [Link("0035e0000000001AAA", "Contact", "ann@hero.example.com")], "g")
    record.opt_out(conn, KEY, "ann@hero.example.com", "manual")
    conn.execute("DELETE FROM lookup")


def ticked(conn: Connection) -> None:
    """Her box is ticked, and the switch is on."""
    one_box(conn)
    conn.execute("UPDATE mark SET state = 'c', due_at = NULL")
    conn.execute(ON)


def refused_by_salesforce(conn: Connection) -> None:
    """A validation rule is in the way of her box."""
    ticked(conn)
    conn.execute("UPDATE mark SET state = 'p', reason = 'FIELD_CUSTOM_VALIDATION_EXCEPTION:Phone is required'")


def run(result: str, age: str) -> Callable[[Connection], None]:
    """All is ticked, and a run ended so, so long ago."""

    def prepare(conn: Connection) -> None:
        ticked(conn)
        conn.execute(PROVED, {"result": "proved", "age": "28 hours"})
        conn.execute(PROVED, {"result": result, "age": age})

    return prepare


def owed(due: str, *then: str) -> Callable[[Connection], None]:
    """Her box is due since then, and more."""

    def prepare(conn: Connection) -> None:
        one_box(conn)
        conn.execute(ON)
        conn.execute("UPDATE mark SET due_at = clock() - %s::interval", [due])
        for statement in then:
            conn.execute(statement)

    return prepare


def held(conn: Connection) -> None:
    """A mass change of one person waits."""
    ticked(conn)
    row = conn.execute("SELECT min(address_id) FROM opt_out").fetchone()
    assert row is not None
    holds.hold_outbound(conn, None, "import old.csv", [(row[0], None)])


def looked_for(conn: Connection) -> None:
    """Bob is unsubscribed, and not yet looked for."""
    record.opt_out(conn, KEY, "bob@hero.example.com", "manual")


def paused(code: str) -> Callable[[Connection], None]:
    """Her box is owed, and pushes rest."""

    def prepare(conn: Connection) -> None:
        one_box(conn)
        marks.pause(conn, 1, 0, "", 600.0, code, "said Salesforce")

    return prepare


def lost(conn: Connection) -> None:
    """A mark is gone."""
    ticked(conn)
    conn.execute("DELETE FROM mark")


def switched_off(conn: Connection) -> None:
    """All is ticked, and the switch is off."""
    ticked(conn)
    conn.execute(OFF)


def disconnected(conn: Connection) -> None:
    """The org is gone."""
    conn.execute("DELETE FROM settings")
    conn.execute("DELETE FROM connection")


State = tuple[Verdict, Callable[[Connection], None], str, str, str, str]
STATES: list[State] = [
    (
        "sign-in refused",
        paused("INVALID_SESSION_ID"),
        "Salesforce has refused our sign-in since",
        "Salesforce lehnt unsere Anmeldung ab seit",
        "<button>Reconnect<",
        ">Neu verbinden<",
    ),
    (
        "does not close",
        lost,
        "The balance does not close.",
        "Die Bilanz geht nicht auf.",
        "",
        "",
    ),
    (
        "held",
        held,
        "1 person waits for your decision, and is blocked until you decide.",
        "1 Person wartet auf Ihre Entscheidung und ist bis dahin gesperrt.",
        'href="/holds">Decide<',
        ">Entscheiden<",
    ),
    (
        "parked",
        refused_by_salesforce,
        "1 box is not ticked in Salesforce yet. 0 of 1 are. The person is already blocked here.",
        "1 Kästchen ist in Salesforce noch nicht angehakt. 0 von 1 sind es. Die Person ist hier bereits gesperrt.",
        'href="/issues">Fix 1<',
        ">1 beheben<",
    ),
    (
        "paused",
        paused("REQUEST_LIMIT_EXCEEDED"),
        "Pushes to Salesforce are paused. 1 box waits here. Nothing is lost, nobody is mailed.",
        "Die Übertragung zu Salesforce ruht. 1 Kästchen wartet hier. Nichts geht verloren, niemand wird angeschrieben.",
        'href="/issues">Why?<',
        ">Warum?<",
    ),
    (
        "slow",
        owed("6 minutes"),
        "Slow: the oldest has been on its way for 6\N{NO-BREAK SPACE}min (no worker is running). 1 box waits here.",
        "Langsam: am längsten unterwegs seit 6\N{NO-BREAK SPACE}min (kein Worker läuft). 1 Kästchen wartet hier.",
        'href="/settings/salesforce/doctor">Why?<',
        ">Warum?<",
    ),
    (
        "on the way",
        owed("0 s"),
        "Catching up: 1 box is on its way, for",
        "Wird nachgeholt: 1 Kästchen ist unterwegs, seit",
        "",
        "",
    ),
    (
        "carried",
        owed("0 s", "UPDATE mark SET state = 'h', reason = 'carried', due_at = NULL"),
        "1 box waits for the first sync in the new field. The person is blocked here meanwhile.",
        "1 Kästchen wartet auf den ersten Abgleich im neuen Feld. Die Person ist hier solange gesperrt.",
        "",
        "",
    ),
    (
        "looked for",
        looked_for,
        "Catching up. 1 person is still to be looked for in Salesforce.",
        "Wird nachgeholt. 1 Person wird noch in Salesforce gesucht.",
        "",
        "",
    ),
    (
        "nothing yet",
        lambda conn: None,
        "Connected. No unsubscribe has been recorded yet; the first one goes to Salesforce at once.",
        "Verbunden. Noch ist keine Abmeldung festgehalten; die erste geht sofort zu Salesforce.",
        'href="/settings/unsubscribes/integrations">Settings<',
        ">Einstellungen<",
    ),
    (
        "switch off",
        switched_off,
        "Every opt-out is in Salesforce. 1 of 1 box. The nightly sync is off, so nothing is read back.",
        "Jede Abmeldung ist in Salesforce. 1 von 1 Kästchen. Der nächtliche Abgleich ist aus, daher wird nichts",
        'href="/settings/unsubscribes/integrations">Settings<',
        ">Einstellungen<",
    ),
    (
        "not proved",
        run("failed", "4 hours"),
        ": the last sync run failed.",
        ": der letzte Abgleich schlug fehl.",
        ">Sync run ",
        ">Abgleich ",
    ),
    (
        "in Salesforce",
        run("proved", "4 minutes"),
        "Every opt-out is in Salesforce. 1 of 1 box. Proved 4\N{NO-BREAK SPACE}min ago by comparing both sides.",
        "Jede Abmeldung ist in Salesforce. 1 von 1 Kästchen. Vor 4\N{NO-BREAK SPACE}min geprüft durch Vergleich",
        'value="sync">Sync now<',
        ">Jetzt abgleichen<",
    ),
    (
        "not connected",
        disconnected,
        "Not connected to Salesforce yet. Unsubscribes are recorded and blocked here; they are pushed once you",
        "Noch nicht mit Salesforce verbunden. Abmeldungen werden hier festgehalten und gesperrt;",
        'href="/settings/salesforce/connect">Connect Salesforce<',
        ">Salesforce verbinden<",
    ),
]


@pytest.fixture(scope="module")
def alone(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation of its own, connected, without a worker."""
    with (
        PracticeOrg.start(leads=1, contacts=1, grant_opt_out=True) as org,
        postgres_servers.fresh_database("embedded") as database,
    ):
        installation = Installation(database, tmp_path_factory.mktemp("hero"))
        with database.connect() as conn:
            connect(conn, installation.vault, Credential.from_file(org.credentials_file), seams.real())
            for table in ("connection", "settings"):
                conn.execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        with served(installation) as site:
            yield site


@pytest.fixture
def conn(alone: Site) -> Iterator[Connection]:
    """Nothing is recorded; afterwards all is as before."""
    with alone.installation.database.connect() as conn:
        yield conn
        for table in ("mark", "lookup", "hold_item", "hold", "pause", "opt_out", "record", "run"):
            conn.execute(f"DELETE FROM {table}")
        for table in ("connection", "settings"):
            conn.execute(f"INSERT INTO {table} SELECT * FROM kept_{table} ON CONFLICT DO NOTHING")
        conn.execute(OFF)


def hero_in(text: str) -> str:
    """The hero card of a page."""
    return text.partition('aria-labelledby="hero">')[2].partition("</section>")[0]


@pytest.mark.parametrize("state", STATES, ids=[state[0] for state in STATES])
def test_r44_each_state_is_told_with_its_way_out_and_the_same_by_status(
    alone: Site, conn: Connection, state: State
) -> None:
    verdict, prepare, english, german, button, german_button = state
    prepare(conn)
    cookie = sign_in(alone)
    heroes = {language: hero_in(read(alone, cookie, "/", language)) for language in ("en", "de")}
    assert english in heroes["en"]
    assert german in heroes["de"]
    assert button in heroes["en"]
    assert german_button in heroes["de"]
    if not button:
        assert 'class="button"' not in heroes["en"], "there is nothing to be done"
    said = alone.installation.run("status", "--json").json()
    assert said["verdict"] == verdict
    assert said["sentence"].partition(" since ")[0].split(" for ")[0] in heroes["en"].replace("\N{NO-BREAK SPACE}", " ")


def test_every_verdict_is_seen_here() -> None:
    assert {state[0] for state in STATES} == set(get_args(Verdict))


def confirmed_after(conn: Connection, database: Database, seconds: float) -> None:
    """Ann's box is confirmed, as a worker does it, so long after her unsubscribe."""
    one_box(conn)
    with Desk(conn, database, 1).worker() as worker:
        mine = worker.claim()
        worker.conn.execute("SELECT set_config('optsync.clock_offset', %s, false)", [str(seconds)])
        marks.confirm(worker.conn, KEY, worker.number, 1, [mark.key for mark in mine])


def test_a_bar_of_the_histogram_leads_to_its_people(alone: Site, conn: Connection) -> None:
    confirmed_after(conn, alone.installation.database, 20.0)
    looked_for(conn)
    cookie = sign_in(alone)
    text = read(alone, cookie, "/")
    assert '<a href="/unsubscribes?took=15-60">15–60 s</a>' in text
    assert "The latest 1 unsubscribe that came by itself." in text
    people_of_bar = read(alone, cookie, "/unsubscribes?took=15-60")
    assert "ann@hero.example.com" in people_of_bar
    assert "bob@hero.example.com" not in people_of_bar
    assert "ann@hero.example.com" not in read(alone, cookie, "/unsubscribes?took=0-1")
    assert "bob@hero.example.com" in read(alone, cookie, "/unsubscribes?took=nonsense"), "no filter at all"


@pytest.mark.parametrize(("code", "asks"), [("INVALID_FIELD", 1), ("invalid_grant", 1), ("REQUEST_LIMIT_EXCEEDED", 0)])
def test_a_pause_needs_a_person_unless_it_passes_by_itself(alone: Site, conn: Connection, code: str, asks: int) -> None:
    run("proved", "4 minutes")(conn)
    conn.execute(
        "INSERT INTO pause (org_id, prefix, field, code, message, until) "
        "VALUES (1, '', 0, %s, 'no', clock() + interval '1 hour')",
        [code],
    )
    text = read(alone, sign_in(alone), "/")
    assert f'<h2>Needs a person</h2><p class="figure">{asks}</p>' in text
    assert ("Nothing needs a person." in text) == (not asks)
    assert ('<span class="badge">1<' in text) == bool(asks)


def test_the_badge_is_the_number_of_the_tile_and_a_scanners_list_is_told_under_a_green_sentence(
    alone: Site, conn: Connection
) -> None:
    run("proved", "4 minutes")(conn)
    cookie = sign_in(alone)
    assert 'class="badge"' not in read(alone, cookie, "/")
    conn.execute("INSERT INTO hold (direction, origin) VALUES ('s', '198.51.100.0/24')")
    conn.execute("INSERT INTO hold_item (hold_id, address_id) SELECT hold_id, address_id FROM hold, opt_out")
    text = read(alone, cookie, "/")
    assert "Every opt-out is in Salesforce." in hero_in(text)
    assert "1 list of unsubscribes looks like a link scanner" in hero_in(text)
    assert '<span class="badge">1<' in text
    assert '<h2>Needs a person</h2><p class="figure">1</p><p class="dim">Lists to review: 1</p>' in text
    conn.execute("UPDATE mark SET state = 'p', reason = 'X:no'")
    text = read(alone, cookie, "/")
    assert '<span class="badge">2<' in text
    assert '<p class="figure">2</p><p class="dim">Refused boxes: 1</p><p class="dim">Lists to review: 1</p>' in text


def test_every_moment_of_a_page_is_in_one_zone_with_its_name(alone: Site, conn: Connection) -> None:
    run("failed", "4 hours")(conn)
    marks.pause(conn, 1, 0, "", 600.0, "INVALID_SESSION_ID", "said Salesforce")
    reader = invited(alone, colleague(alone, "admin"))
    for zone, names in (("", {"PST", "PDT"}), ("Europe/Berlin", {"CET", "CEST"})):
        assert reader.post("/account", language="en", time_zone=zone)[0].status == 302
        text = re.sub(r'title="[^"]*"', "", reader.get("/")[1])
        seen = set(re.findall(r"\d\d:\d\d(?::\d\d)? ([A-Z]{3,4})\b", text.partition("<h2>Next nightly sync")[0]))
        assert seen, "since when"
        assert seen <= names, "the sentence and all else before the next run, which is told in its own zone, too"
        assert set(re.findall(r"<time [^>]*>[^<]* ([A-Z]{3,4})</time>", text)) <= names
    assert re.search(r'class="dim">\w+ [^<]* 20:00 P[SD]T = \w+ [^<]* 0[45]:00 CES?T<', text)


def test_a_box_that_is_tried_again_and_again_is_as_old_as_its_unsubscribe(alone: Site, conn: Connection) -> None:
    """Each try puts the next one off; the sentence must not begin anew with it."""
    owed("0 s", "UPDATE opt_out SET since = clock() - interval '100 minutes'")(conn)
    put_off = (
        "UPDATE mark SET due_at = clock() + interval '5 minutes', attempts = %s, reason = 'UNABLE_TO_LOCK_ROW:busy'"
    )
    cookie = sign_in(alone)
    with Desk(conn, alone.installation.database, 1).worker():
        conn.execute(put_off, [1])
        assert "Catching up: 1 box is on its way, for 0" in hero_in(read(alone, cookie, "/"))
        conn.execute(put_off, [7])
        hero = hero_in(read(alone, cookie, "/"))
    said = "Slow: the oldest has been on its way for 100\N{NO-BREAK SPACE}min (Someone was editing this record)."
    assert said in hero
    assert "Nobody needs to act: optsync tries again by itself." in hero


def test_a_day_of_a_filter_is_a_day_of_the_page(alone: Site, conn: Connection) -> None:
    """Ann's evening of 3 October in Los Angeles is the 4th in UTC, and in Berlin."""
    one_box(conn)
    conn.execute("UPDATE opt_out SET since = '2026-10-04 05:00 UTC'")
    reader = invited(alone, colleague(alone, "admin"))
    for zone, day, other in (("", "2026-10-03", "2026-10-04"), ("Europe/Berlin", "2026-10-04", "2026-10-03")):
        reader.post("/account", language="en", time_zone=zone)
        for wanted, is_there in ((day, True), (other, False)):
            filters = f"since={wanted}&until={wanted}"
            exported = reader.post(f"/unsubscribes/export?{filters}", form_on="/unsubscribes")[1]
            for text in (reader.get(f"/unsubscribes?{filters}")[1], exported):
                assert ("ann@hero.example.com" in text) is is_there


def test_a_tile_that_cannot_be_computed_says_why(alone: Site, conn: Connection) -> None:
    conn.execute(ON)
    text = read(alone, sign_in(alone), "/")
    for title, why in (
        ("Unsubscribe → Salesforce", "Known once an unsubscribe that came by itself has reached Salesforce."),
        ("Salesforce → optsync", "Ticks in Salesforce are read by each sync run; when they were made is not known."),
        ("Last proved", "No sync run has proved agreement yet."),
        ("Salesforce API calls", "Known after the first sync run or preview."),
    ):
        assert f'<h2>{title}</h2><p class="figure">–</p><p class="dim">{why}</p>' in text


def test_sums_over_many_people_are_counted_in_the_background_and_shown_with_their_age(
    alone: Site, conn: Connection
) -> None:
    run("proved", "4 minutes")(conn)
    conn.execute(
        "INSERT INTO record (org_id, record_id, kind, provenance) "
        "SELECT 1, '003' || lpad(n::text, 12, '0') || 'AAA', 'C', 'n' FROM generate_series(1, 80000) n"
    )
    cookie = sign_in(alone)
    try:
        first = read(alone, cookie, "/")
        assert "Every opt-out is in Salesforce. Proved 4" in first, "true without its figures"
        assert "The sums are being counted for the first time; look again in some seconds." in first
        assert "Every box is accounted for" not in first
        until(lambda: "1 of 1 box." in read(alone, cookie, "/"))
        until(lambda: "Sums and the oldest opt-out were counted" in read(alone, cookie, "/"))
        conn.execute("UPDATE mark SET state = 'o', due_at = clock()")
        assert "Catching up: 1 box is on its way" in read(alone, cookie, "/"), "whatever was counted"
    finally:
        conn.execute("DELETE FROM record")
        conn.execute("VACUUM FULL record")


def until(holds: Callable[[], bool]) -> None:
    """Returns once it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.2)
