"""Runs the benchmarks named on the command line, or all of them."""

import argparse
import importlib
import sys

from benchmarks.measure import Result

NAMES = (
    *("recording", "one_click", "flood", "alike", "check", "pages", "push", "drain", "practice_org", "nightly"),
    *("imports", "webhooks"),
)


def main() -> int:
    """Prints each benchmark's figures; exit code 3 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", action="store_true", help="one JSON object a benchmark on stdout")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    missed = False
    for name in chosen.names or NAMES:
        result: Result = importlib.import_module(f"benchmarks.{name}").run()
        print(result.as_json()) if chosen.json else result.show()
        missed = missed or any(figure.met is False for figure in result.figures)
    return 3 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
