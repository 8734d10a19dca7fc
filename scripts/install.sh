#!/bin/sh
# Makes the environment $1 and installs the hashed lock $2 and this checkout into it.
set -eu
venv=$1 lock=$2
"${PYTHON:-python3}" - <<'PY'
import sys
if sys.version_info < (3, 11):
    sys.exit(
        f"error: this is Python {sys.version.split()[0]}\n"
        "means: optsync needs 3.11 or newer\n"
        "next:  make install PYTHON=/path/to/python3.11"
    )
PY
[ -x "$venv/bin/python" ] || {
    echo "Making $venv" >&2
    "${PYTHON:-python3}" -m venv "$venv"
}
echo "Installing from $lock (about 20 s the first time)" >&2
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r "$lock"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps -e .
