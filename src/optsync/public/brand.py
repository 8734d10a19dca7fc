"""How the unsubscribe page looks: name, colours, whom to ask; and the mailbox that takes unsubscribes by mail.

Colours are checked before they are saved: a button that nobody can read is no way out.
"""

import re
from dataclasses import asdict, dataclass

import psycopg
from psycopg.rows import class_row

from optsync.core.addresses import is_address, normalize
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql

COLOUR = re.compile(r"#[0-9a-f]{6}")
CARD_LIGHT, CARD_DARK = "#ffffff", "#1f232b"
ON_LIGHT, ON_DARK = "#ffffff", "#101216"
"""Behind the colour and, on buttons, in front of it; the same values stand in static/public/page.css."""
CONTRAST_MIN = 4.5
"""WCAG 2.2, 1.4.3."""
NAME_LENGTH_MAX = 100
MAILBOX_LENGTH_MAX = 64 + 1 + 253


@dataclass(frozen=True, slots=True)
class Brand:
    """What an admin chose; empty = as shipped. Colours are #rrggbb in lower case."""

    organisation: str = ""
    light_colour: str = ""
    dark_colour: str = ""
    support: str = ""
    mailbox: str = ""


def load(conn: psycopg.Connection) -> Brand:
    """The brand as it is now."""
    with conn.cursor(row_factory=class_row(Brand)) as cursor:
        return cursor.execute(sql("optsync.public", "brand"), prepare=True).fetchone() or Brand()


def save(conn: psycopg.Connection, brand: Brand, actor: str) -> None:
    """Saves a checked brand, its addresses in normal form, with an event when it differs.

    Raises Problem, and then nothing is changed.
    """
    refuse_wrong(brand)
    addresses = {name: normalize(getattr(brand, name)) for name in ("support", "mailbox")}
    conn.execute(sql("optsync.public", "save_brand"), asdict(brand) | addresses | {"actor": actor})


def refuse_wrong(brand: Brand) -> None:
    """Raises Problem for a name that is too long, a colour that is none or illegible, an address that is none."""
    unchanged = told("Nothing was changed.")
    if len(brand.organisation) > NAME_LENGTH_MAX:
        raise Problem(told("The name is too long."), unchanged, told("Shorten it to 100 characters."))
    for colour, card, on in (
        (brand.light_colour, CARD_LIGHT, ON_LIGHT),
        (brand.dark_colour, CARD_DARK, ON_DARK),
    ):
        refuse_illegible(colour, card, on)
    for address in filter(None, (brand.support, brand.mailbox)):
        normal = normalize(address)
        if not is_address(normal) or len(normal) > MAILBOX_LENGTH_MAX or not normal.isascii():
            raise Problem(
                told("This is not an e-mail address: %(address)s", address=address[:100]),
                unchanged,
                told("Type it as name@example.com."),
            )


def refuse_illegible(colour: str, card: str, on: str) -> None:
    """Raises Problem for a text that is no colour, and for one that cannot be read on its card or as a button."""
    if not colour:
        return
    if not COLOUR.fullmatch(colour):
        raise Problem(
            told("This is not a colour: %(colour)s", colour=colour[:40]),
            told("Nothing was changed."),
            told("Type it as # and six digits, such as #0b5cab."),
        )
    least = min(contrast(colour, card), contrast(colour, on))
    if least < CONTRAST_MIN:
        raise Problem(
            told("The colour %(colour)s cannot be read on %(card)s.", colour=colour, card=card),
            told(
                "Its contrast is %(least)s to 1; people with weak eyes need 4.5. Nothing was changed.",
                least=f"{least:.1f}",
            ),
            told("Choose a darker colour for the light page, a lighter one for the dark page."),
        )


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two #rrggbb colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of #rrggbb, 0 to 1 (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
