#!/usr/bin/env bash
# Resolve pyproject.toml into the two lock files, with hashes and without any index address.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
        --output-file "$@" pyproject.toml
}

compile requirements/runtime.txt
# The runtime versions bind the development ones, so that tests run on what is installed for real.
compile requirements/dev.txt --extra dev --constraint requirements/runtime.txt
printf '== wrote requirements/runtime.txt and requirements/dev.txt\n'
