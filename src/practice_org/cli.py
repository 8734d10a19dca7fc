"""The command `practice-org`. The server's libraries are loaded only by the command that serves."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import click

from practice_org.fault_commands import fault, requests
from practice_org.remote import NOTHING_DONE, Problem

if TYPE_CHECKING:
    import ssl

    from practice_org.doors import Door

DEFAULT_FIELD = "mkto_si__Marketo_Sales_Opt_Out__c"
RECORDS_MAX = 50_000_000
NOT_STARTED = "no practice org was started"
_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """A Salesforce that runs here, for rehearsals and tests. No real Salesforce is touched."""


def main() -> None:
    """Runs the command line of this process; whatever it cannot do is told in three parts, with exit code 2."""
    try:
        group.main(prog_name="practice-org", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except Problem as problem:
        _fail(problem.message, problem.means, problem.do)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        what = " ".join(error.format_message().split()).rstrip(".")
        command = context.command_path if context else "practice-org serve"
        _fail(what, NOT_STARTED if command.endswith(("serve", "org")) else NOTHING_DONE, f"see: {command} --help")


for command in (fault, requests):
    group.add_command(command)


@group.command(short_help="Run a practice org until stopped.")
@click.option("--http", help="Loopback address; port 0: any free. Default 127.0.0.1:0, or none with --https.")
@click.option("--https", help="The same with TLS, alone or beside --http.")
@click.option("--cert", type=_PEM, help="Certificate for --https (PEM), its chain behind it.")
@click.option("--key", type=_PEM, help="The certificate's private key (PEM).")
@click.option("--instance-url", help="What clients are told to call. Default: the address served, https before http.")
@click.option("--leads", type=click.IntRange(0, RECORDS_MAX), default=0, show_default=True, help="Generated Leads.")
@click.option("--contacts", type=click.IntRange(0, RECORDS_MAX), default=0, show_default=True, help="And Contacts.")
@click.option("--opted-out", type=click.FloatRange(0, 100), default=0.0, help="Per cent with Email Opt Out ticked.")
@click.option("--sales-opted-out", type=click.FloatRange(0, 100), default=0.0, help="The same for the package's box.")
@click.option("--person-accounts", type=click.IntRange(0, 100_000), default=None, help="Have the feature, and so many.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same people.")
@click.option(
    "--credentials",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Written once the org answers; its private key beside it.",
)
@click.option("--grant-opt-out", is_flag=True, help="Let the integration user see and edit Email Opt Out.")
@click.option("--package", is_flag=True, help="Install the package with the Marketo Sales Opt Out checkbox.")
@click.option("--lead-field", default=DEFAULT_FIELD, show_default=True, help="API name of its checkbox on Lead.")
@click.option("--contact-field", default=DEFAULT_FIELD, show_default=True, help="API name of its checkbox on Contact.")
@click.option("--callback", "callbacks", multiple=True, help="Where the web-server flow may send people back to.")
@click.option("--org-number", type=click.IntRange(1, 999), default=1, show_default=True, help="Its org id; two differ.")
@click.option("--parent-pid", type=int, default=None, help="End when this process, our parent, is gone.")
def serve(
    http: str | None,
    https: str | None,
    cert: Path | None,
    key: Path | None,
    instance_url: str | None,
    file: Path,
    parent_pid: int | None,
    org_number: int,
    callbacks: tuple[str, ...],
    **options: object,
) -> None:
    """Run a practice org on a loopback address until SIGTERM or SIGINT."""
    told = None if instance_url is None else _checked_url(instance_url)
    addresses: list[tuple[str, str, ssl.SSLContext | None]] = []
    if http or not https:
        addresses.append(("--http", http or "127.0.0.1:0", None))
    if https:
        addresses.append(("--https", https, _checked_tls(cert, key)))
    elif cert or key:
        _fail("--cert and --key belong to --https", NOT_STARTED, "add: --https 127.0.0.1:PORT")
    checked = [(name, *_checked_address(name, address), tls) for name, address, tls in addresses]
    from practice_org.org import Options
    from practice_org.server import serve as run

    try:
        given = options | {"callbacks": callbacks} if callbacks else options
        chosen = Options(**given)  # type: ignore[arg-type]  # checked by click
    except ValueError as error:
        _fail(str(error), NOT_STARTED, "see: practice-org serve --help")
    doors = [_open(name, host, port, tls) for name, host, port, tls in checked]
    try:
        run(doors, chosen, file, parent_pid, _announce, org_number, told)
    except OSError as error:
        _fail(f"{file} cannot be written: {error.strerror}", NOT_STARTED, "choose another --credentials FILE")


def _open(name: str, host: str, port: int, tls: "ssl.SSLContext | None") -> "Door":
    from practice_org.doors import open_door

    try:
        return open_door(host, port, tls)
    except OSError as error:
        return _fail(
            f"{host}:{port} cannot be used: {error.strerror}",
            "another program has that port, or it may not be used by you",
            f"choose another {name}; port 0 takes a free one",
        )


def _checked_tls(certificate: Path | None, key: Path | None) -> "ssl.SSLContext":
    from practice_org.doors import tls_of

    if certificate is None or key is None:
        return _fail("--https needs a certificate and its key", NOT_STARTED, "add: --cert FILE --key FILE")
    try:
        return tls_of(certificate, key)
    except OSError as error:
        what = f"{certificate} and {key} cannot be used for TLS: {error.strerror or error}"
        return _fail(what, NOT_STARTED, "give a certificate and its own private key, both PEM, without a password")


def _checked_url(text: str) -> str:
    """An address with scheme and host and nothing behind them, as Salesforce's own; without a slash at its end."""
    parts = urlsplit(text)
    try:
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        _fail(f"not an address for an instance: {text}", NOT_STARTED, "use --instance-url https://HOST or HOST:PORT")
    return text.rstrip("/")


def _checked_address(name: str, address: str) -> tuple[str, int]:
    """Loopback only: the org hands out access to whoever asks."""
    host, _, port = address.rpartition(":")
    if host in ("127.0.0.1", "localhost") and port.isascii() and port.isdigit() and int(port) <= 65_535:
        return "127.0.0.1", int(port)
    return _fail(
        f"not an address for a practice org: {address}",
        "it gives access to whoever asks and must not be reachable from other machines",
        f"use {name} 127.0.0.1:PORT",
    )


def _fail(what: str, means: str, do: str) -> NoReturn:
    click.echo(f"error: {what}\nmeans: {means}\nnext:  {do}", err=True)
    sys.exit(2)


def _announce(base_url: str) -> None:
    click.echo(f"practice org ready: {base_url} (page: {base_url}/practice)", err=True)
