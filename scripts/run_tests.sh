#!/usr/bin/env bash
# Run the suite. Which test runs where:
#   1. SQLite      everything in this process: pure tests and database tests
#   2. PostgreSQL  the same once more, but only tests that touch the database (conftest.py marks them `database`)
#   3. servers     tests against real server processes and in a real browser, marked `server` or `browser`;
#                  those that depend on the database start servers on both by themselves
# `run_tests.sh long` runs what is marked `long`, and nothing else.
set -uo pipefail
cd "$(dirname "$0")/.."

unset SAMSYN_TEST_POSTGRES
# Hundreds of processes are started: each would compile a thousand files anew.
unset PYTHONDONTWRITEBYTECODE
workers=${PYTEST_WORKERS:-2}
# Tests of servers wait for other processes half of their time. Their files go in the order of their names: by size,
# those of a few slow tests would come last, and one worker would end the run alone.
server_workers=$((workers + (workers + 1) / 2))
failed=()

run() {
    local name=$1
    shift
    printf '\n== tests: %s\n' "$name"
    "$@"
    local code=$?
    # 5 = nothing was collected: right for an empty corner of the suite, said by pytest itself.
    [ $code -eq 0 ] || [ $code -eq 5 ] || failed+=("$name")
}
pytest=(.venv/bin/python -m pytest -q --no-header)
with_postgres=(.venv/bin/python scripts/with_postgres.py --)

if [ "${1:-}" = long ]; then
    run 'long' "${pytest[@]}" -m long
    run 'long, PostgreSQL' "${with_postgres[@]}" "${pytest[@]}" -m 'long and database and not server'
else
    run 'SQLite' "${pytest[@]}" -n "$workers" -m 'not server and not browser and not long'
    run 'PostgreSQL' "${with_postgres[@]}" "${pytest[@]}" -n "$workers" -m 'database and not server and not browser and not long'
    run 'servers and browser' "${pytest[@]}" -n "$server_workers" --dist loadfile --no-loadscope-reorder -m '(server or browser) and not long'
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf '\n== failed:'
    printf ' [%s]' "${failed[@]}"
    printf '\n'
    exit 1
fi
printf '\n== all tests passed\n'
