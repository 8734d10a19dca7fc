"""Reading everything once a week, or asking for every opted-out address, whichever costs less (rules 5.4)."""

from datetime import UTC, datetime

import pytest

from optsync.sync import sweep
from tests.flows.nightly.house import House

ANN, BOB = "ann@example.com", "bob@example.com"


def large(house: House) -> None:
    """Lets the last sweep have met a million unticked Leads and Contacts."""
    sizes = {"sweep Lead": 1_000_000, "sweep Contact": 1_000_000}
    house.conn.execute(
        "UPDATE run SET counts = jsonb_set(counts, '{sizes}', counts->'sizes' || to_jsonb(%s::json))",
        (str(sizes).replace("'", '"'),),
    )


def paths(house: House) -> list[str]:
    """What Salesforce was asked."""
    return [one["path"] for one in house.org.spy()["requests"]]


def test_a_new_duplicate_that_only_a_full_look_can_find_is_found_once_a_week(house: House) -> None:
    lead = house.org.create("Lead", Email=ANN)
    house.opt_out(ANN)
    house.sync()
    hidden = house.org.create("Contact", Email=ANN)
    blind(house)
    house.sync()
    assert not house.is_ticked(hidden), "it became visible with an old stamp"
    house.conn.execute("UPDATE run SET started_at = started_at - interval '7 days'")
    report = house.sync()
    assert "swept" in report.counts
    assert report.result == "proved"
    assert house.is_ticked(hidden)
    assert house.is_ticked(lead)


def blind(house: House) -> None:
    """Changes since the last run are read from far in the future on: they bring nothing."""
    at = datetime(2100, 1, 1, tzinfo=UTC).isoformat()
    house.conn.execute("UPDATE run SET options = options || jsonb_build_object('salesforce_at', %s::text)", (at,))


def test_in_a_large_org_with_few_opted_out_people_their_addresses_are_looked_up_instead(house: House) -> None:
    house.org.create("Lead", Email=ANN)
    house.opt_out(ANN)
    house.sync()
    hidden = house.org.create("Contact", Email=ANN)
    blind(house)
    large(house)
    house.org.clear_spy()
    report = house.sync(full=True)
    assert report.result == "proved"
    assert report.counts["swept"] >= 1
    assert house.is_ticked(hidden)
    assert sum("Email+IN" in path or "Email%20IN" in path for path in paths(house)) >= 2
    assert "swept" not in house.sync().counts, "that was the look at everything"


@pytest.mark.parametrize(
    ("rows", "addresses", "asks"),
    [
        ((None, None), 1, False),
        ((100, 100), 1, False),
        ((100_000, 100_000), 400, True),
        ((100_000, 100_000), 20_000, False),
        ((2_500_000, 2_500_000), 20_000, True),
        ((2_500_000, 2_500_000), 100_000, False),
    ],
)
def test_the_choice_follows_calls_and_bytes(
    house: House, rows: tuple[int | None, int | None], addresses: int, asks: bool
) -> None:
    house.conn.execute("INSERT INTO address (normal) SELECT 'x' || n FROM generate_series(1, %s) n", (addresses,))
    house.conn.execute("INSERT INTO opt_out (address_id, source, epoch) SELECT address_id, 'x', 1 FROM address")
    sizes = {f"sweep {kind}": count for kind, count in zip(("Lead", "Contact"), rows, strict=True) if count}
    assert sweep.can_ask_for_everyone(house.conn, house.org_id, sizes) is asks


def test_an_erased_person_can_only_be_found_by_reading(house: House) -> None:
    house.opt_out(BOB)
    house.conn.execute("UPDATE address SET normal = NULL, erased_hash = 'x'")
    assert not sweep.can_ask_for_everyone(house.conn, house.org_id, {"sweep Lead": 10**6, "sweep Contact": 10**6})
