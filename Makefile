# Everything a newcomer needs: `make up` shows a demo region, `make test` proves it. See CONTRIBUTING.md.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PORT ?= 8000
PYTEST_WORKERS ?= 2

BIN := .venv/bin
RUNTIME_STAMP := .venv/.runtime-installed
TEST_STAMP := .venv/.test-installed

.PHONY: help env up test-env system-packages node-packages test check check-long check-code fix lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

env: $(RUNTIME_STAMP)  ## make the Python environment (.venv) with the pinned runtime packages

up: env  ## set up what is missing, then serve on http://127.0.0.1:$(PORT), with a demo region when it is empty
	@$(BIN)/python manage.py migrate --verbosity 0
	@exec $(BIN)/python manage.py up --port $(PORT)

test-env: $(TEST_STAMP) system-packages node-packages  ## everything the tests need: Python, system and Node packages

system-packages:
	@scripts/install_system_packages.sh

node-packages: $(TEST_STAMP)
	@scripts/install_node_packages.sh

test: test-env  ## run the test suite on SQLite and on PostgreSQL, real servers and browser included
	@PYTEST_WORKERS=$(PYTEST_WORKERS) scripts/run_tests.sh

check: test-env check-code test  ## everything that has to be green before a change is shared

check-code: $(TEST_STAMP)  ## format, lint, types, import contracts and missing migrations
	@scripts/check_code.sh

check-long: test-env  ## the big ones: gigabytes, minutes of load, many crashes
	@PYTEST_WORKERS=$(PYTEST_WORKERS) scripts/run_tests.sh long

fix: $(TEST_STAMP)  ## format the code and repair what the linter can repair
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(TEST_STAMP)  ## write requirements/*.txt anew from pyproject.toml
	@scripts/lock_requirements.sh

clean:  ## remove the environment and all caches; var/ (the data) stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis test-results

$(RUNTIME_STAMP): requirements/runtime.txt scripts/make_environment.sh
	@scripts/make_environment.sh requirements/runtime.txt
	@touch $@

$(TEST_STAMP): requirements/dev.txt scripts/make_environment.sh
	@scripts/make_environment.sh requirements/dev.txt
	@touch $(RUNTIME_STAMP) $@
