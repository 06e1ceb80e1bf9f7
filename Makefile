# Two commands for a person (`make demo`, `make test`); the rest serves them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# npm and pip have nothing to wait for in each other
MAKEFLAGS += --jobs=2
# Tests start the keeper hundreds of times: without compiled modules on disk most of their time is compilation.
unexport PYTHONDONTWRITEBYTECODE

# The first interpreter of a supported version, or the one named on the command line: make PYTHON=/path/to/python test
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1 && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin

ifdef UV
VENV = $(UV) venv --quiet --python $(PYTHON) .venv
INSTALL = VIRTUAL_ENV=.venv $(UV) pip install --quiet
else
VENV = $(PYTHON) -m venv .venv
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
endif

.venv/.python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11, 3.12 or 3.13 is needed; name one with make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(VENV)
	@touch $@

.venv/.run: .venv/.python requirements.lock pyproject.toml
	@echo "installing the keeper (requirements.lock, hashes checked)"
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	@echo "installing the test and lint tools (requirements-dev.lock, hashes checked)"
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# anvil and the Uniswap bytecode; KEEPER_ANVIL or an anvil on PATH spares only the binary, the artifacts are needed all the same
node_modules/.ready: package.json package-lock.json
	@command -v npm >/dev/null || { echo "error: npm is needed once, for the contracts and anvil of the local chain; install Node.js 20 or later" >&2; exit 1; }
	@echo "fetching the local chain (package-lock.json, integrity checked)"
	@npm ci --silent
	@touch $@

.PHONY: help demo test test-long test-outside check format lock parity-long bench evidence clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

demo: .venv/.run node_modules/.ready ## watch the keeper work through a market day on a local chain; ARGS="--scenario crash"
	@$(BIN)/keeper demo $(ARGS)

PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
test: .venv/.dev node_modules/.ready ## the core, the chain, the commands; ARGS="-n 0 tests/unit" for a part, in one process
	@$(PYTEST) -m "not long" $(ARGS)

test-long: .venv/.dev node_modules/.ready ## the rest: kills between any two writes, searches killed, days replayed on the chain
	@$(PYTEST) -m long $(ARGS)

test-outside: .venv/.dev node_modules/.ready ## the option venues' own bytecode, on forks of the nodes in KEEPER_FORK_RPC (Ethereum) and KEEPER_FORK_RPC_ARBITRUM
	@$(BIN)/python -m pytest -n 0 -m outside $(ARGS)

check: .venv/.dev ## style, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: .venv/.dev ## let ruff write
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.dev node_modules/.ready ## figures: reads a cycle, gas of a rebalance, swaps replayed
	@$(BIN)/python -m tests.bench

evidence: .venv/.dev ## docs/evidence.md and the figures of docs/protection.md anew, from the recorded data beside the project
	@$(BIN)/python -m tests.evidence
	@$(BIN)/python -m tests.evidence.protection

parity-long: .venv/.dev node_modules/.ready ## the pool mathematics against the bytecode, 100,000 operations
	@KEEPER_PARITY_OPERATIONS=$${KEEPER_PARITY_OPERATIONS:-100000} $(BIN)/python -m pytest tests/parity/test_pool_bytecode.py

LOCK := --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11
lock: ## write both lock files anew (needs uv and npm)
	uv pip compile $(LOCK) --upgrade --group build pyproject.toml -o requirements.lock
	uv pip compile $(LOCK) --upgrade --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	npm install --package-lock-only --silent

clean: ## remove what the other targets made
	rm -rf .venv node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
