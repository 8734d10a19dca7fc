"""The words that go into messages (requirement 38): the field, appending, and links that lead to the real page."""

from html import escape

import psycopg
import pytest

from optsync.config.database import Connection
from optsync.core.problems import Problem
from optsync.public import messages
from optsync.public.messages import MessageText, filled

URL = "https://out.example.com/u/T?a=1&b=2"


@pytest.mark.parametrize(
    ("words", "text", "html"),
    [
        ("No more? {{link}}", f"No more? {URL}", 'No more? <a href="https://out.example.com/u/T?a=1&amp;b=2">'),
        ("[Stop](https://old.example/x)", f"Stop: {URL}", ">Stop</a>"),
        ("See https://old.example/x?y=1.", f"See {URL}.", "</a>."),
        ("Just ask.", f"Just ask. {URL}", "Just ask. <a "),
        ("a < b & {{ link }}", f"a < b & {URL}", "a &lt; b &amp; <a "),
        ("[<b>x</b>]()", f"<b>x</b>: {URL}", "&lt;b&gt;x&lt;/b&gt;</a>"),
        ("One\r\ntwo {{link}}", f"One\ntwo {URL}", "One<br>\ntwo "),
    ],
)
def test_r38_every_link_in_the_words_becomes_the_real_one_and_none_is_missing(words: str, text: str, html: str) -> None:
    assert filled("{{team_unsubscribe}}", words, URL, appends=False, html=False) == text
    found = filled("{{ team_unsubscribe }}", words, URL, appends=False, html=True)
    assert html in found
    assert found.count("<a ") == 1
    assert "old.example" not in found + text


def test_r38_the_field_is_replaced_wherever_it_stands_and_then_nothing_is_appended() -> None:
    body = "Hi {{team_unsubscribe}} and {{ team_unsubscribe }}"
    done = filled(body, "{{link}}", URL, appends=True, html=False)
    assert done == f"Hi {URL} and {URL}"


def test_r38_a_message_without_the_field_gets_the_words_at_its_end_when_append_is_on() -> None:
    assert filled("Hi\n", "{{link}}", URL, appends=True, html=False) == f"Hi\n\n{URL}\n"
    assert filled("", "{{link}}", URL, appends=True, html=False) == f"{URL}\n"
    assert filled("Hi", "{{link}}", URL, appends=False, html=False) == "Hi"
    html = filled("<body>Hi</body></BODY ></html>", "[out]()", URL, appends=True, html=True)
    assert html.startswith("<body>Hi</body><p><a href=")
    assert html.endswith("</p></BODY ></html>")


def test_a_backslash_in_a_link_or_in_words_stays_one() -> None:
    assert filled("{{team_unsubscribe}}", r"a\1 {{link}}", r"x\g<0>", appends=False, html=False) == r"a\1 x\g<0>"


def test_the_user_s_text_counts_before_the_team_s_and_that_before_the_account_s(conn: Connection) -> None:
    assert messages.text_for(conn, "sales", "jane") == messages.SHIPPED
    for kind, name in (("account", ""), ("team", "sales"), ("user", "jane")):
        messages.save(conn, MessageText(kind, name, f"of {kind}", False), "admin")  # type: ignore[arg-type]
    assert messages.text_for(conn, "sales", "jane").words == "of user"
    assert messages.text_for(conn, " sales ", "joe").words == "of team"
    assert messages.text_for(conn, "support").words == "of account"
    messages.drop(conn, "user", "jane", "admin")
    assert messages.text_for(conn, "sales", "jane").words == "of team"
    kinds = [kind for (kind,) in conn.execute("SELECT kind FROM event ORDER BY event_id").fetchall()]
    assert kinds == ["message text changed"] * 3 + ["message text removed"]


@pytest.mark.parametrize(
    "text",
    [
        MessageText("team", "", "x", True),
        MessageText("account", "sales", "x", True),
        MessageText("team", "s" * 101, "x", True),
        MessageText("team", "sales", " ", True),
        MessageText("team", "sales", "x" * 2_001, True),
    ],
)
def test_a_text_that_will_not_do_is_refused_and_nothing_changes(conn: psycopg.Connection, text: MessageText) -> None:
    with pytest.raises(Problem):
        messages.save(conn, text, "admin")
    assert messages.every(conn) == []


@pytest.mark.parametrize("field", ["{{team_unsubscribe}}", "{{ Team_Unsubscribe }}"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_the_field_in_a_link_of_the_template_is_only_the_address(field: str, quote: str) -> None:
    body = f"<p><a class=x href={quote}{field}{quote}>Leave</a></p>"
    done = filled(body, "Enough? [stop]({{link}})", URL, appends=True, html=True)
    assert done == f"<p><a class=x href={quote}{escape(URL)}{quote}>Leave</a></p>"
