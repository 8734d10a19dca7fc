"""The words about unsubscribing that go into messages (requirement 38): the account's, a team's, or one user's own.

`filled` is the whole template language: {{team_unsubscribe}} becomes the words, with every link in them leading to the
recipient's own page. A message never leaves it without a way out unless the admin switched appending off.
"""

import re
from dataclasses import asdict, dataclass
from html import escape
from typing import Literal

import psycopg
from psycopg.rows import class_row

from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql

Kind = Literal["account", "team", "user"]
FIELD = re.compile(r"(=\s*[\"']\s*)?\{\{\s*team_unsubscribe\s*\}\}", re.IGNORECASE)
"""With the beginning of the attribute whose value it is: a template may have a link of its own."""
LINK = re.compile(r"\[([^\[\]\n]+)\]\([^()\s]*\)|https?://[^\s<>\"'()\[\]]+[^\s<>\"'()\[\].,;:!?]|\{\{\s*link\s*\}\}")
"""In an admin's words: [some words](anywhere), a bare web address, or {{link}}."""
BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
WORDS_LENGTH_MAX = 2_000
NAME_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True)
class MessageText:
    """The words of one owner; `name` is empty for the account. `appends`: added to messages that lack the field."""

    kind: Kind
    name: str
    words: str
    appends: bool


SHIPPED = MessageText("account", "", "If you do not want to hear from us again: [unsubscribe]({{link}})", True)
"""Until an admin writes something else."""


def filled(body: str, words: str, url: str, *, appends: bool, html: bool) -> str:
    """A message body with the words in place of {{team_unsubscribe}}, else added at its end when `appends` says so.

    In HTML the end is before the last </body>, and an attribute (href="{{team_unsubscribe}}") gets only the address.
    `html` says which of the two the body is; a plain one gets no tags.
    """
    said = as_html(words, url) if html else as_text(words, url)
    done, count = FIELD.subn(
        lambda found: (found[1] or "") + (escape(url) if html and found[1] else said),
        body,
    )
    if count or not appends:
        return done
    if not html:
        return f"{body.rstrip()}\n\n{said}\n" if body.strip() else f"{said}\n"
    ends = list(BODY_END.finditer(body))
    at = ends[-1].start() if ends else len(body)
    return f"{body[:at]}<p>{said}</p>{body[at:]}"


def as_html(words: str, url: str) -> str:
    """The words as HTML: escaped, every link leading to `url`; without a link in them one stands at the end."""
    text, parts, end = words_with_link(words), [], 0
    for found in LINK.finditer(text):
        parts += [escape(text[end : found.start()]), f'<a href="{escape(url)}">{escape(found[1] or url)}</a>']
        end = found.end()
    return "".join([*parts, escape(text[end:])]).replace("\n", "<br>\n")


def as_text(words: str, url: str) -> str:
    """The words as plain text, every link written out as `url`."""
    return LINK.sub(lambda found: f"{found[1]}: {url}" if found[1] else url, words_with_link(words))


def words_with_link(words: str) -> str:
    """The words, with a link at their end when there is none in them."""
    tidy = words.replace("\r\n", "\n").strip()
    return tidy if LINK.search(tidy) else f"{tidy} {{{{link}}}}".strip()


def every(conn: psycopg.Connection) -> list[MessageText]:
    """Every text that was written, the account's first."""
    with conn.cursor(row_factory=class_row(MessageText)) as cursor:
        return cursor.execute(sql("optsync.public", "message_texts")).fetchall()


def text_for(conn: psycopg.Connection, team: str = "", user: str = "") -> MessageText:
    """The text that counts for a message: the user's own, else the team's, else the account's, else as shipped."""
    with conn.cursor(row_factory=class_row(MessageText)) as cursor:
        values = {"team": team.strip(), "user": user.strip()}
        return cursor.execute(sql("optsync.public", "message_text"), values, prepare=True).fetchone() or SHIPPED


def save(conn: psycopg.Connection, text: MessageText, actor: str) -> None:
    """Saves a text, with an event when it differs. Raises Problem, and then nothing is changed."""
    unchanged = told("Nothing was changed.")
    if (text.kind == "account") != (text.name == "") or len(text.name) > NAME_LENGTH_MAX:
        raise Problem(told("This name will not do."), unchanged, told("Name the team or user in 1 to 100 characters."))
    if not text.words.strip() or len(text.words) > WORDS_LENGTH_MAX:
        raise Problem(told("The text is empty or too long."), unchanged, told("Write 1 to 2,000 characters."))
    conn.execute(sql("optsync.public", "save_message_text"), asdict(text) | {"actor": actor})


def drop(conn: psycopg.Connection, kind: Kind, name: str, actor: str) -> None:
    """Removes a text; the next wider one counts again. Nothing happens when there is none."""
    conn.execute(sql("optsync.public", "drop_message_text"), {"kind": kind, "name": name, "actor": actor})
