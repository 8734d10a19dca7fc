"""`python -m optsync.cli`: the same command for processes that start each other."""

from optsync.cli.main import main

main()
