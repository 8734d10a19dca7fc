"""Logs say what happened and never to whom: known fields only, library lines without their arguments."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from optsync.config.logging import configure_logging, get_logger

CANARY = "ann.canary@example.com"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_one_json_object_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    get_logger("optsync.sync.push").info("batch confirmed", run=12, count=200, seconds=0.5)
    (line,) = lines_of(capsys)
    assert line["at"]
    assert (line["event"], line["level"], line["run"], line["count"]) == ("batch confirmed", "info", 12, 200)


def test_unknown_fields_and_anything_like_an_address_are_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    get_logger("x").warning("odd", address="ann", reason=f"refused {CANARY}", code={"deep": CANARY}, count=1)
    (line,) = lines_of(capsys)
    assert (line["address"], line["reason"], line["code"], line["count"]) == ("withheld", "withheld", "withheld", 1)


def test_a_librarys_line_keeps_its_template_and_loses_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    logging.getLogger("django.request").warning("%s: %s", "Not Found", f"/u/{CANARY}")
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("library").exception("failed for %s", CANARY)
    text = json.dumps(lines_of(capsys))
    assert "%s: %s" in text
    assert "ValueError" in text
    assert CANARY not in text


def test_lower_levels_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")
    get_logger("x").info("nothing")
    assert lines_of(capsys) == []
