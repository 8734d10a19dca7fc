"""How the page looks: colours that cannot be read are refused, and a change is in the audit."""

from dataclasses import replace

import pytest

from optsync.config.database import Connection
from optsync.core.problems import Problem
from optsync.public import brand
from optsync.public.brand import Brand, contrast
from optsync.public.look import OURS

GOOD = Brand("Acme", "#7a0019", "#ffb3c1", "help@acme.example", "unsubscribe@acme.example")


def test_the_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#ffffff", "#767676") == contrast("#767676", "#ffffff")


def test_our_own_colours_pass() -> None:
    brand.refuse_wrong(Brand(light_colour=OURS[0], dark_colour=OURS[1]))


@pytest.mark.parametrize(
    "change",
    [
        {"light_colour": "#777777"},
        {"dark_colour": "#0b5cab"},
        {"light_colour": "red"},
        {"light_colour": "#0b5cab;}body{display:none"},
        {"light_colour": "#0B5CAB "},
        {"organisation": "x" * 101},
        {"support": "nobody"},
        {"mailbox": "a@b@c"},
        {"mailbox": "unsubscribe@x.example?cc=everybody@x.example"},
        {"mailbox": "unsubscribe@x.example\r\nBcc: a@x.example"},
    ],
)
def test_what_cannot_be_read_or_reached_is_refused_and_nothing_changes(
    conn: Connection, change: dict[str, str]
) -> None:
    brand.save(conn, GOOD, "admin")
    with pytest.raises(Problem):
        brand.save(conn, replace(GOOD, **change), "admin")
    assert brand.load(conn) == GOOD


def test_addresses_are_kept_in_normal_form(conn: Connection) -> None:
    typed = replace(GOOD, support=" Help@ACME.example ", mailbox="Leave us <Unsubscribe@Acmé.example>")
    brand.save(conn, typed, "admin")
    kept = brand.load(conn)
    assert (kept.support, kept.mailbox) == ("help@acme.example", "unsubscribe@xn--acm-dma.example")
    brand.save(conn, kept, "admin")
    assert conn.execute("SELECT count(*) FROM event").fetchone() == (1,)


def test_a_change_is_saved_once_and_told_once(conn: Connection) -> None:
    assert brand.load(conn) == Brand()
    for _ in range(2):
        brand.save(conn, GOOD, "Jane")
    assert conn.execute("SELECT kind, actor, evidence->>'organisation' FROM event").fetchall() == [
        ("unsubscribe page changed", "Jane", "Acme")
    ]
