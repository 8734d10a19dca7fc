"""The settings of the environment: what is in force, and what is wrong. Opens no database and writes nothing."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optsync.cli.output import BAD, OK, WARN, Output, with_output

if TYPE_CHECKING:
    from optsync.config.setting_list import Setting
    from optsync.core.problems import Problem

WRONG, DOUBTFUL = 2, 3


@click.group()
def config() -> None:
    """Look at the settings of the environment, the OPTSYNC_ names, without starting anything.

    \b
    Examples:
      optsync config check                       is anything wrong or doubtful?
      optsync config show                        what is in force, and where from
      optsync config show --json | jq -r '.settings[] | select(.from != "default") | .name'
    """


@config.command()
@with_output
def check(out: Output) -> int:
    """Tell everything that is wrong or doubtful about the settings, before a start.

    \b
    Examples:
      optsync config check
      optsync config check --json

    Exit code 0: all fine; 2: a value is wrong, and nothing would start; 3: it would start, but look at what is told.
    Opens no database, asks nobody and writes nothing; optsync doctor looks at all the rest.
    """
    from optsync.config.checking import check as look

    wrong, doubtful = look(os.environ)
    lines = [line for sign, some in ((BAD, wrong), (WARN, doubtful)) for one in some for line in lines_of(sign, one)]
    fine = [f"{OK} The settings are fine."]
    told = {"wrong": [parts_of(one) for one in wrong], "doubtful": [parts_of(one) for one in doubtful]}
    out.show({"fine": not wrong and not doubtful, **told}, *(lines or fine))
    return WRONG if wrong else DOUBTFUL if doubtful else 0


@config.command()
@with_output
def show(out: Output) -> None:
    """Show every setting, its value in force, and where that comes from: environment, file or default.

    \b
    Examples:
      optsync config show
      optsync config show --json

    No secret is shown: only whether it is set, and of the database what does not sign in.
    """
    from optsync.config.environment import values_in
    from optsync.config.setting_list import SETTINGS

    found, wrong = values_in(os.environ)
    rows = [row_of(setting, found[setting.name], wrong.get(setting.name)) for setting in SETTINGS]
    wide = max(len(row["name"]) for row in rows)
    out.show({"settings": rows}, *(line_of(row, wide) for row in rows))
    if wrong:
        out.say(f"{BAD} {len(wrong)} wrong. Next: optsync config check")


def parts_of(problem: "Problem") -> dict[str, str]:
    """A problem for --json."""
    return {"what": str(problem.what), "means": str(problem.means), "next": str(problem.next)}


def lines_of(sign: str, problem: "Problem") -> list[str]:
    """A problem for the eye."""
    return [f"{sign} {problem.what}", f"    means: {problem.means}", f"    next:  {problem.next}"]


def row_of(setting: "Setting", value: Any, problem: "Problem | None") -> dict[str, Any]:
    """One setting for --json. `value` is null where there is none, and where what stands there is wrong."""
    file = os.environ.get(f"{setting.name}_FILE") if setting.secret else None
    source = "file" if file else "environment" if os.environ.get(setting.name) else "default"
    return {
        "name": setting.name,
        "value": None if problem else shown(setting, value),
        "from": source,
        "file": file or None,
        "default": setting.default.replace("`", ""),
        "purpose": setting.purpose.replace("`", ""),
        "secret": setting.secret,
        "wrong": str(problem.what) if problem else None,
    }


def shown(setting: "Setting", value: Any) -> Any:
    """A value as JSON takes it, without what signs in."""
    from optsync.core.proxies import Networks

    if setting.name == "OPTSYNC_DATABASE_URL":
        return without_password(value) if value else None
    if setting.secret:
        return "set" if value else "not set"
    if isinstance(value, Networks):
        return [str(network) for network in value.of]
    return str(value) if isinstance(value, Path) else value


def without_password(url: str) -> str:
    """Where a database is, as libpq also takes it: host=db.example.com port=5432 user=optsync dbname=optsync.

    "set" where a character that should be written as %XX has made a part of the password look like another part.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        given = conninfo_to_dict(url)
    except ProgrammingError:
        return "set"
    place = {name: str(given[name]) for name in ("host", "port", "user", "dbname", "sslmode") if given.get(name)}
    ports = place.get("port", "").replace(",", "") or "0"
    if not ports.isdecimal() or any("@" in place.get(name, "") for name in ("host", "dbname")):
        return "set"
    return make_conninfo(**place)


def line_of(row: dict[str, Any], wide: int) -> str:
    """One setting for the eye: its name, where its value comes from, the value or what stands in for it."""
    match row["value"]:
        case _ if row["wrong"]:
            value = row["wrong"].removeprefix(f"{row['name']} is ")
        case None:
            value = row["default"] or "not set"
        case bool() | float() as number:  # as they are written in the environment
            value = f"{number:g}"
        case list() as several:
            value = ", ".join(several)
        case other:
            value = other
    sign = BAD if row["wrong"] else " "
    file = f"   ({row['file']})" if row["file"] else ""
    return f"{sign} {row['name']:{wide}}  {row['from']:11}  {value}{file}"
