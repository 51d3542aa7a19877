# Every target sets up what it needs: Python packages go into .venv, exactly as the lock files name them.
# ARGS are handed on, as in:  make test ARGS="tests/rules -k wildcard"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:

VENV ?= .venv
ARGS ?=
TEST_PROCESSES ?= 3  # most tests wait for Kafka; they share one broker
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check
OLDEST_JAVA := 17

# Without --no-emit-…, a developer's own registry settings would end up in the lock files.
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(PYTHON) -m piptools compile --quiet --generate-hashes --allow-unsafe \
	--strip-extras --build-deps-for=editable --no-emit-options --no-emit-index-url --no-emit-trusted-host \
	--no-emit-find-links

.PHONY: help
help: ## List the targets
	@echo 'streamproc: real-time alerting on audit-event streams in Kafka'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  Needed: Python >= 3.11. For a Kafka broker of our own, Java >= $(OLDEST_JAVA) and Maven, or Docker.'

.PHONY: run
run: $(VENV)/.installed ## Start everything on this machine, with a broker; the first start shows a demonstration
	@exec $(VENV)/bin/streamproc up $(ARGS)

.PHONY: test
test: $(VENV)/.installed-dev java ## Run all tests, on a real broker
	@exec $(PYTHON) -m pytest -n $(TEST_PROCESSES) --dist worksteal $(ARGS)

.PHONY: coverage
coverage: $(VENV)/.installed-dev java ## Run all tests and say which lines they leave out
	@exec $(PYTHON) -m pytest -n $(TEST_PROCESSES) --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

.PHONY: check
check: $(VENV)/.installed-dev ## Check style, formatting, types and the direction of imports
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# Not part of `check`: it asks a database on the network, whose answer changes from day to day. `--strict`, because a
# package that the database does not know would else pass as one without known faults.
.PHONY: audit
audit: $(VENV)/audit/.installed ## Look for known faults in dependencies, and for unsafe calls in the code
	@status=0; \
	$(VENV)/audit/bin/bandit --quiet --recursive --configfile pyproject.toml streamproc || status=1; \
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock $(ARGS) || status=1; \
	exit $$status

.PHONY: test-faults
test-faults: $(VENV)/.installed-dev java ## Kill, pause, cut and damage real processes and brokers, and look for what is lost
	@exec $(PYTHON) -m tests.faults.suite $(ARGS)

.PHONY: bench
bench: $(VENV)/.installed-dev ## Measure cost, latency and recovery beside Faust, Quix and a bare client
	@exec $(VENV)/bin/streamproc bench $(ARGS)

.PHONY: docs
docs: $(VENV)/.installed ## Bring the reference up to date with the code
	@exec $(PYTHON) docs/generate.py

.PHONY: lock
lock: $(VENV)/.installed-dev ## Resolve the lock files anew (ARGS=--upgrade: with the newest versions)
	$(COMPILE) $(ARGS) --extra docker --output-file requirements.lock pyproject.toml
	$(COMPILE) $(ARGS) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) $(ARGS) --output-file requirements-audit.lock requirements-audit.in

.PHONY: clean
clean: ## Remove .venv, caches and build output; .data, where records are kept, stays
	rm -rf $(VENV) build dist .coverage .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up

$(PYTHON):
	@for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
			>/dev/null 2>&1; then exec $$python -m venv $(VENV); fi; \
	done; \
	echo 'No Python >= 3.11 with the venv module was found.' >&2; \
	echo 'Install one, on Debian and Ubuntu by: apt-get install python3 python3-venv' >&2; \
	exit 1

$(VENV)/.installed: requirements.lock pyproject.toml | $(PYTHON)
	@echo 'Installing what requirements.lock names into $(VENV) (once; about a minute)'
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(PYTHON)
	@echo 'Installing what requirements-dev.lock names into $(VENV) (once; about a minute)'
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# In an environment of its own: what looks at our dependencies is none of them.
$(VENV)/audit/.installed: requirements-audit.lock | $(PYTHON)
	@echo 'Installing what requirements-audit.lock names into $(VENV)/audit (once)'
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-audit.lock
	@touch $@

# `streamproc` itself says what is missing for a broker; before a test run it is better said once than by every test.
.PHONY: java
java:
	@if [ -n "$${STREAMPROC_TEST_KAFKA:-}" ]; then exit 0; fi; \
	java="$${JAVA_HOME:+$$JAVA_HOME/bin/}java"; \
	found=$$("$$java" -version 2>&1 | sed -nE 's/.*version "(1\.)?([0-9]+).*/\2/p' | head -n 1 || true); \
	if [ "$${found:-0}" -lt $(OLDEST_JAVA) ] || ! command -v mvn >/dev/null; then \
		echo 'The tests run a real Kafka broker, which needs Java >= $(OLDEST_JAVA) and Maven (mvn).' >&2; \
		echo 'On Debian and Ubuntu: apt-get install default-jre-headless maven' >&2; \
		echo 'Or name a broker that the tests may use: STREAMPROC_TEST_KAFKA=host:port' >&2; \
		exit 1; \
	fi
