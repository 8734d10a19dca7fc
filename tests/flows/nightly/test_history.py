"""What a run writes carries the run's number, so that its history and its refusals can be found (rules 3)."""

from optsync.ledger import marks
from tests.flows.nightly.house import House


def test_every_box_that_a_run_sets_or_parks_is_told_with_its_number(house: House) -> None:
    taken, refused = (house.org.create("Lead", Email=f"p{n}@example.com") for n in range(2))
    for n in range(2):
        house.opt_out(f"p{n}@example.com")
    house.org.fault("reject", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", records=[refused])
    report = house.sync()
    told = "SELECT kind, record_id FROM event WHERE run_id = %s AND kind IN ('confirmed', 'parked') ORDER BY 1"
    assert house.conn.execute(told, (report.run_id,)).fetchall() == [("confirmed", taken), ("parked", refused)]
    assert marks.retry_now(house.conn, house.org_id, run_id=report.run_id) == 1
