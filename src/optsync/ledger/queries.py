"""One small loader: every SQL statement lives in a `.sql` file next to its use and is asked for by its name.

In a package's `sql/*.sql` files a statement starts at a line `-- name: what_it_does`, is followed by a comment of one
sentence, and ends where the next one starts or the file ends. Files without such a line (the schema) hold none.
"""

import re
from functools import cache
from importlib import resources

NAME = re.compile(r"^-- name: *([a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)
COMMENT_LINE = re.compile(r"^[ \t]*--.*\n?", re.MULTILINE)


def sql(package: str, name: str) -> str:
    """The statement of that name in the package's `sql` folder, e.g. sql("optsync.sync", "difference").

    Comment lines are left out, so that a percent sign there is no placeholder. Raises LookupError for an unknown name.
    """
    try:
        return statements(package)[name]
    except KeyError:
        raise LookupError(f"{package} has no SQL statement named {name}") from None


@cache
def statements(package: str) -> dict[str, str]:
    """Every named statement of a package, read once. Raises ValueError when a name is used twice."""
    found: dict[str, str] = {}
    for file in sorted(resources.files(package).joinpath("sql").iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".sql"):
            continue
        _, *parts = NAME.split(file.read_text(encoding="utf-8"))
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"{package}: two SQL statements are named {name}")
            found[name] = COMMENT_LINE.sub("", body).strip().removesuffix(";")
    return found
