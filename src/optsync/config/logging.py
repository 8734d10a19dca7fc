"""Logs: one JSON object a line on stderr, with known fields only, so that no address and no secret can slip in.

Our own lines are a constant event and fields from ALLOWED; other fields are named but withheld. Lines of libraries keep
their logger and their message template, never its arguments: Django would log the path with an unsubscribe token.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, cast

import structlog

FIELDS = """event level at logger module error where
    request run org object field phase state outcome reason code status kind
    count owed confirmed held parked recorded rejected attempts calls bytes seconds worker pid port"""
ALLOWED = frozenset(FIELDS.split())
LONGEST_TEXT = 200


def configure_logging(level: str) -> None:
    """Sends everything of at least `level` (one of environment.LOG_LEVELS) to stderr as JSON."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            withhold_unknown,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    handler = LibraryHandler()
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger for one module: `log.info("batch confirmed", run=12, count=200)`."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(module=name))


def withhold_unknown(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keeps the values of known fields; a value that could be an address is withheld wherever it stands."""
    for name, value in line.items():
        if name not in ALLOWED or not is_harmless(value):
            line[name] = "withheld"
    return line


def is_harmless(value: object) -> bool:
    """Numbers, truth values, None and short text without an @."""
    if isinstance(value, str):
        return "@" not in value and len(value) <= LONGEST_TEXT
    return value is None or isinstance(value, bool | int | float)


class LibraryHandler(logging.Handler):
    """Turns a library's record into such a line."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if number := getattr(getattr(record, "request", None), "request_id", None):
            fields["request"] = number  # Django tells of some answers when everything around them is done
        if record.exc_info and record.exc_info[0]:
            fields |= {"error": record.exc_info[0].__name__, "where": where_of(record.exc_info[2])}
        structlog.get_logger().log(record.levelno, str(record.msg)[:LONGEST_TEXT], **fields)


def where_of(trace: TracebackType | None) -> str:
    """The file and line in which an error arose; "" when that is not known."""
    frames = traceback.extract_tb(trace)
    return f"{frames[-1].filename}:{frames[-1].lineno}"[-LONGEST_TEXT:] if frames else ""
