"""Many unsubscribes in one request: each row has its result, twice is the same, and a mass of them is held."""

import pytest

from optsync.ledger import holds, people
from tests.api.conftest import World
from tests.program import Program, program

BATCH = "/v1/unsubscribes:batch"


def rows(*addresses: str) -> dict[str, list[dict[str, str]]]:
    """A body."""
    return {"unsubscribes": [{"address": address} for address in addresses]}


def test_each_row_has_its_result_in_its_order_and_a_bad_one_costs_no_other(admin: Program, world: World) -> None:
    admin.post("/v1/unsubscribes", {"address": "known@batch.example.com"})
    body = rows("new1@batch.example.com", "nonsense", "known@batch.example.com", "New1@batch.example.com ")
    body["unsubscribes"].append(
        {"address": "complains@batch.example.com", "source": "complaint", "message_id": "<5@crm>"}
    )
    answer = admin.post(BATCH, body)
    assert answer.status == 200, answer.text
    assert [row["outcome"] for row in answer.json["results"]] == ["new", "refused", "already", "new", "new"]
    assert (answer.json["recorded"], answer.json["already"], answer.json["refused"]) == (3, 1, 1)
    assert answer.json["results"][0]["id"] == answer.json["results"][3]["id"]
    assert "example.com" not in answer.text
    with world.site.installation.database.connect() as conn:
        key = world.site.installation.vault.subject_key
        (event,) = people.timeline(conn, key, "complains@batch.example.com")
    assert (event.source, event.actor, event.evidence) == ("complaint", "API key test", {"message": "<5@crm>"})


def test_the_same_batch_again_changes_nothing(admin: Program) -> None:
    body = rows(*(f"again{n}@batch.example.com" for n in range(30)))
    first = admin.post(BATCH, body, Idempotency_Key="b1")
    assert admin.post(BATCH, body, Idempotency_Key="b1").json == first.json
    assert admin.post(BATCH, body).json["already"] == 30


def test_ten_thousand_are_taken(admin: Program) -> None:
    answer = admin.post(BATCH, rows(*(f"nobody{n}" for n in range(10_000))))
    assert (answer.status, answer.json["refused"]) == (200, 10_000)


def test_a_mass_is_held_while_everybody_is_blocked(admin: Program, world: World) -> None:
    """By a program of its own: what one has recorded within the hour counts together."""
    mass = [f"m{n}@mass.example.org" for n in range(501)]
    answer = program(world.site, "admin", name="masses").post(BATCH, rows(*mass))
    assert (answer.status, answer.json["recorded"]) == (200, 501)
    assert admin.post("/v1/check", {"addresses": mass}).json["blocked"] == 501
    with world.site.installation.database.connect() as conn:
        [hold] = [hold for hold in holds.undecided(conn) if hold.hold_id == answer.json["hold_id"]]
        assert (hold.addresses, hold.origin) == (501, "batch by API key masses")
        holds.drop(conn, world.site.installation.vault.subject_key, hold.hold_id, "test", "a rehearsal")
    assert admin.post("/v1/check", {"addresses": mass}).json["blocked"] == 0


def test_a_mass_in_slices_is_held_as_one_until_somebody_decides(world: World) -> None:
    slicer = program(world.site, "admin", name="slicer")
    slices = [rows(*(f"s{part}-{n}@slices.example.org" for n in range(200))) for part in range(5)]
    held = [slicer.post(BATCH, one).json["hold_id"] for one in slices[:4]]
    assert held[:2] == [None, None]
    assert held[2] is not None, "600 within an hour"
    assert held[3] == held[2], "and those that follow join them"
    assert slicer.post(BATCH, slices[0]).json["hold_id"] is None, "what is known already is no change"
    with world.site.installation.database.connect() as conn:
        key = world.site.installation.vault.subject_key
        (hold,) = [hold for hold in holds.undecided(conn) if hold.hold_id == held[2]]
        assert (hold.addresses, hold.origin) == (400, "batch by API key slicer")
        holds.apply(conn, key, hold.hold_id, "test")
    assert slicer.post(BATCH, slices[4]).json["hold_id"] is None, "an admin has looked"


@pytest.mark.parametrize(
    "body",
    [
        {"unsubscribes": []},
        {"unsubscribes": [{"address": "a@b.c", "source": "import"}]},
        {"unsubscribes": [{"address": 7}]},
        {"unsubscribes": [{"address": "a@b.c", "colour": "red"}]},
        {"unsubscribes": [{"address": "a@b.c"}] * 10_001},
    ],
)
def test_a_body_of_another_shape_is_refused_whole(admin: Program, body: object) -> None:
    answer = admin.post(BATCH, body)
    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize(
    "address", ["\0@nul.example", "a" * 900 + "@long.example", "\u202eelpmaxe@rtl.example", "🦊@x.y"]
)
def test_a_hostile_address_is_recorded_and_blocks(admin: Program, address: str) -> None:
    answer = admin.post(BATCH, rows(address))
    assert answer.json["results"][0]["outcome"] == "new", answer.text
    assert admin.post("/v1/check", {"addresses": [address]}).json["blocked"] == 1


def test_r20_a_lift_needs_a_reason_and_waits_until_boxes_are_unticked(admin: Program, world: World) -> None:
    contact = world.org.create("Contact", Email="lift@batch.example.com", HasOptedOutOfEmail=True)
    made = admin.post("/v1/unsubscribes", {"address": "lift@batch.example.com"}).json["id"]
    path = f"/v1/unsubscribes/{made}"
    for body in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "x", "mode": "soon"}):
        assert admin.ask("DELETE", path, body).code == "invalid"
    waits = admin.ask("DELETE", path, {"reason": "asked by phone"})
    assert (waits.status, waits.json["outcome"]) == (202, "waits")
    assert admin.get(path).json["state"] == "lift waits"
    assert admin.post("/v1/check", {"addresses": ["lift@batch.example.com"]}).json["blocked"] == 1
    world.org.edit(contact, HasOptedOutOfEmail=False)
    lifted = admin.ask("DELETE", path, {"reason": "asked by phone"})
    assert (lifted.status, lifted.json["outcome"]) == (200, "lifted")
    again = admin.ask("DELETE", path, {"reason": "asked by phone"})
    assert (again.status, again.code) == (409, "refused")
    assert admin.ask("DELETE", "/v1/unsubscribes/999999", {"reason": "x"}).code == "not-found"


def test_an_erased_person_cannot_be_lifted_by_number(admin: Program, world: World) -> None:
    made = admin.post("/v1/unsubscribes", {"address": "gone@batch.example.com"}).json["id"]
    with world.site.installation.database.connect() as conn:
        people.erase(conn, world.site.installation.vault.subject_key, "gone@batch.example.com", actor="t", reason="t")
    answer = admin.ask("DELETE", f"/v1/unsubscribes/{made}", {"reason": "x"})
    assert (answer.status, answer.code, answer.json["detail"]) == (409, "refused", "this person was erased")
