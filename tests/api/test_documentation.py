"""The lines of docs/how-to/check-before-sending.md do what they say, also when everything is wrong."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Site, free_port
from tests.program import Program

PAGE = Path(__file__).parents[2] / "docs/how-to/check-before-sending.md"
ASKED = ["two@example.org", "fine@example.org"]


def block(language: str, holding: str) -> str:
    """The fenced block of the page that holds this text."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (text,) = [one for one in found if holding in one]
    return str(text)


@pytest.fixture
def may_mail(monkeypatch: pytest.MonkeyPatch, sender: Program) -> Any:
    """The helper as somebody would paste it."""
    monkeypatch.setenv("OPTSYNC_URL", sender.site.url)
    monkeypatch.setenv("OPTSYNC_KEY", sender.key)
    names: dict[str, Any] = {}
    exec(compile(block("python", "def may_mail"), str(PAGE), "exec"), names)
    return names["may_mail"]


def test_the_helper_lets_through_only_who_may_be_mailed(may_mail: Any) -> None:
    assert may_mail(ASKED) == ["fine@example.org"]
    assert may_mail(ASKED, non_commercial=True) == ASKED
    assert may_mail([]) == []


def test_the_helper_lets_nobody_through_when_it_is_not_answered(may_mail: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert may_mail(["fine@example.org", "no address"]) == []
    monkeypatch.setenv("OPTSYNC_KEY", "os_live_wrong")
    assert may_mail(ASKED) == []
    monkeypatch.setenv("OPTSYNC_URL", f"http://127.0.0.1:{free_port()}")
    assert may_mail(ASKED) == []


def test_the_curl_line_asks_what_the_server_answers(sender: Program, site: Site) -> None:
    words = shlex.split(block("", "curl").replace("$OPTSYNC_KEY", sender.key))
    headers = dict(words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H")
    (url,) = [word for word in words if word.startswith("http")]
    sent = {name.replace("-", "_"): value for name, value in headers.items()}
    body = words[words.index("-d") + 1].encode()
    answer = Program(site).ask("POST", url.removeprefix("http://127.0.0.1:8000"), body, **sent)
    assert answer.status == 200
    assert answer.json.keys() == json.loads(block("json", "answers")).keys()
