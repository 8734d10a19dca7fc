"""A process that uses the embedded server until it is told to leave: what a command of optsync is to the keeper.

Says {"supervises", "keeper", "postmaster", "dsn"} or {"problem"} as one line of JSON, then waits for its stdin to end.
"""

import json
import sys

from optsync.config.environment import read_environment
from optsync.config.postgres import attached
from optsync.core.problems import Problem


def main() -> None:
    try:
        with attached(read_environment()) as server:
            answer: dict[str, object] = {"supervises": server.is_supervisor, "keeper": server.keeper_pid}
            answer |= {"postmaster": server.postmaster_pid, "dsn": server.dsn}
            print(json.dumps(answer), flush=True)
            sys.stdin.read()
    except Problem as problem:
        print(json.dumps({"problem": str(problem)}), flush=True)


if __name__ == "__main__":
    main()
