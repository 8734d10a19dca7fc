#!/bin/sh
# Runs the tests under each interpreter given by path, each in an environment of its own.
set -eu
[ $# -gt 0 ] || {
    echo "error: no interpreter given" >&2
    echo "means: only the default Python was tested" >&2
    echo 'next:  make test-all PYTHONS="/path/to/python3.12 /path/to/python3.13"' >&2
    exit 2
}
for python in "$@"; do
    name=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "== Python $name ($python)"
    make --no-print-directory install-dev PYTHON="$python" VENV=".venv-$name"
    ".venv-$name/bin/pytest" ${PYTEST_ARGS:-}
done
