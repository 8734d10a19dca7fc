"""Finds the kinds of faults: every module of `kinds` holds one, named as the module is."""

import inspect
from importlib import import_module
from pkgutil import iter_modules

from practice_org.faults import kinds
from practice_org.faults.base import Fault


def find_kinds() -> dict[str, type[Fault]]:
    """All kinds by name, in alphabetical order."""
    return {name: _kind_in(name) for name in sorted(module.name for module in iter_modules(kinds.__path__))}


def _kind_in(name: str) -> type[Fault]:
    module = import_module(f"{kinds.__name__}.{name}")
    (kind,) = (
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Fault) and member.__module__ == module.__name__
    )
    kind.kind = name
    return kind


def describe_kind(kind: type[Fault]) -> dict[str, object]:
    """The kind as the control API lists it."""
    return {
        "kind": kind.kind,
        "strikes": kind.strikes_what,
        "happens": what_happens(kind),
        "source": kind.source,
        "client_must": kind.client_must,
        "options": [one.as_json() for one in kind.options()],
    }


def what_happens(kind: type[Fault]) -> str:
    """The first paragraph of its docstring, on one line."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


KINDS = find_kinds()
