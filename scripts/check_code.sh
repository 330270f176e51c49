#!/usr/bin/env bash
# Format, lint, types, import contracts, missing migrations: every step runs, the exit code says whether all were clean.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()
step() {
    local name=$1
    shift
    printf '== %s\n' "$name"
    "$@" || failed+=("$name")
}

step 'format (ruff format)' .venv/bin/ruff format --check --quiet .
step 'lint (ruff check)' .venv/bin/ruff check --quiet .
step 'types (mypy)' .venv/bin/mypy .
step 'import contracts (import-linter)' .venv/bin/lint-imports
step 'migrations match the models' env DJANGO_SETTINGS_MODULE=deploy.settings.test .venv/bin/python manage.py makemigrations --check --dry-run

if [ ${#failed[@]} -gt 0 ]; then
    printf '== not clean:'
    printf ' [%s]' "${failed[@]}"
    printf '  (make fix repairs format and part of lint)\n'
    exit 1
fi
