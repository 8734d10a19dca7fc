"""Running it: web, worker, both together, and the one-time link into the pages."""

import signal
import sys

import click

from optsync.cli.house import end_like_ctrl_c, opened
from optsync.cli.output import OK, Output, with_output

DEFAULT_PORT = 8000


@click.command()
@with_output
def migrate(out: Output) -> None:
    """Bring the database to this version.

    Every other command does this by itself; this one is for those who want it as a step of its own.
    """
    from optsync.config.database import open_database
    from optsync.config.environment import read_environment

    with open_database(read_environment(), out.say) as database:
        changed = database.migrate()
    out.show({"changed": changed}, f"{OK} {'Brought to this version.' if changed else 'Up to date.'}")


@click.command("sign-in")
@with_output
def sign_in(out: Output) -> None:
    """Print a one-time link into the web pages, good for 15 minutes.

    Opening the link changes nothing; its button signs in, once.
    """
    from optsync.web.sign_in import LINK_SECONDS, make_link

    with opened(out) as house:
        url = f"{house.public_url}/sign-in/{make_link(house.conn, house.seams.token_bytes)}"
    out.show({"url": url, "seconds": LINK_SECONDS}, url)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 for every network.")
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="One for each core.")
def serve(host: str, port: int, workers: int) -> None:
    """Serve the web pages until Ctrl-C."""
    from optsync.config.serve import serve as run

    run(host, port, workers)


@click.command()
def worker() -> None:
    """Push opt-outs at once, run the nightly comparison, tell webhooks and alerts, until Ctrl-C.

    Any number may run, on any number of machines.
    """
    from optsync.alerts.telling import Telling
    from optsync.config.logging import configure_logging
    from optsync.sync.nightly import start_due
    from optsync.sync.worker import Worker
    from optsync.webhooks.inbox import take_waiting

    with opened(Output(as_json=False)) as house:
        configure_logging(house.environment.log_level)
        database, vault, seams = house.database, house.vault, house.seams
        house.conn.close()  # the worker has sessions of its own
        database.check_direct()
        here = Worker(
            database,
            vault,
            seams,
            nightly=lambda: start_due(database, vault, seams),
            chores=[lambda conn: take_waiting(conn, vault.subject_key)],
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: here.stop())
        telling = Telling(database, vault, seams, house.environment)
        telling.start()
        here.run()
        telling.stop()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the web pages listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True)
def up(host: str, port: int) -> None:
    """Web, worker and embedded database in one go; Ctrl-C ends all of it."""
    from optsync.cli.supervisor import Child, Supervisor
    from optsync.web.sign_in import make_link

    out = Output(as_json=False)
    with opened(out) as house:
        house.database.check_direct()
        assert house.vault
        command = [sys.executable, "-m", "optsync.cli"]
        children = [
            Child("web", [*command, "serve", "--host", host, "--port", str(port)]),
            Child("worker", [*command, "worker"]),
        ]
        url = house.environment.public_url or f"http://{host}:{port}"
        out.say(f"{OK} optsync is up at {url}   (Ctrl-C ends it)")
        out.say(f"  Sign in once, within 15 minutes: {url}/sign-in/{make_link(house.conn, house.seams.token_bytes)}")
        supervisor = Supervisor(children, house.seams, out.say)
        end_like_ctrl_c()
        supervisor.run()
