#!/usr/bin/env bash
# Install the Node packages that the tests run against, each checked against its hash, with the Node of .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

for folder in tests/support/oidc_provider; do
    # npm writes this file last: what is older than the lock file is not what is locked.
    [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] && continue
    printf '== installing the Node packages of %s\n' "$folder"
    PATH="$PWD/.venv/bin:$PATH" npm ci --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent
done
