"""A worker process for tests: as `python -m optsync.sync.worker`, with other limits when asked.

Arguments: --fence SECONDS, --log-level LEVEL.
"""

import argparse

from optsync.config.database import open_database
from optsync.config.environment import read_environment
from optsync.config.logging import configure_logging
from optsync.config.vault import Vault
from optsync.seams import real
from optsync.sync import worker


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fence", type=float, default=worker.FENCE_SECONDS)
    parser.add_argument("--log-level", default="error")
    options = parser.parse_args()
    configure_logging(options.log_level)
    env, seams = read_environment(), real()
    vault = Vault.load_or_create(env, seams)
    with open_database(env) as database:
        worker.run(database, vault, seams, fence_seconds=options.fence)


if __name__ == "__main__":
    main()
