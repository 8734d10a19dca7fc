"""The way in, as `optsync` and as `python -m optsync.cli`: a Ctrl-C ends it quietly even while it is still loading."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Loads and runs the command line."""
    try:
        from optsync.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
