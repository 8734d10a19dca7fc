"""`optsync version`."""

import platform
from importlib.metadata import version as installed_version

import click

from optsync.cli.output import Output, with_output


@click.command()
@with_output
def version(out: Output) -> None:
    """Print the version of optsync and of the Python below it."""
    out.show({"optsync": installed_version("optsync"), "python": platform.python_version()}, line())


def line() -> str:
    """Both on one line."""
    return f"optsync {installed_version('optsync')} on Python {platform.python_version()}"
