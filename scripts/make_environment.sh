#!/usr/bin/env bash
# Make .venv with Python 3.11 and install one lock file into it, every package checked against its hash.
# usage: scripts/make_environment.sh requirements/runtime.txt
set -euo pipefail
cd "$(dirname "$0")/.."

lock_file=$1

say() { printf '== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The interpreter to build with: $PYTHON if given, else the first Python 3.11 on the PATH.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python) || fail "Samsyn needs Python 3.11, and none of ${PYTHON:-python3.11, python3, python} is one" \
        "(python3 here: $(python3 --version 2>&1 || echo none)). Install python3.11, or name it: make env PYTHON=/path/to/python3.11"
    say "making .venv with $("$python" --version) ($(command -v "$python"))"
    "$python" -m venv --clear .venv || fail "this Python cannot make an environment; on Debian install the package python3.11-venv"
fi

say "installing $lock_file into .venv"
# --only-binary: every pinned package has a wheel for the platforms we support; a compiler must not be needed.
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r "$lock_file"
