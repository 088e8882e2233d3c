# The door to everything: `make help` lists the targets. CI runs `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup venv lock generate fmt check lint types contracts drift size audit unit test clocks \
        up down clean images e2e demo status bench

# Tests start hundreds of processes: each module is compiled once, not at every start.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
MEMBERS := crds kube operator runner/service runner/engine runner/brokers runner/redis runner/strategy runner/feed runner/login runner/sim
PYTEST := $(BIN)/pytest -q

help: ## what each target does
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# --- set-up -------------------------------------------------------------------------------------

setup: .venv/.installed ## the Python environment in .venv; the tools and the vendors' SDKs in .tools
	@cluster/setup-tools
	@tests/conformance/setup-sdks

venv: .venv/.installed ## the Python environment alone: enough for replay

.venv/.installed: requirements/dev.lock requirements/uv.lock pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	@cluster/setup-venv

lock: .venv/.installed ## resolve the dependencies anew into requirements/*.lock
	@requirements/lock

generate: .venv/.installed ## write the files made from the contract: CRDs, calendar, reference page
	@$(BIN)/python -m algo_contract.schema .
	@charts/sync-crds

# --- what a change must pass ----------------------------------------------------------------------

check: lint types contracts drift size unit ## all of `make test` that needs no pods

test: setup check e2e ## everything a change must pass, set-up included

fmt: .venv/.installed ## format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

lint: .venv/.installed
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/shellcheck -x $$(git ls-files -z | xargs -0 grep -lE '^#!.*(bash|/sh)' --)
	$(BIN)/codespell $$(git ls-files)
	$(BIN)/python tests/retired_words.py

types: .venv/.installed
	$(BIN)/basedpyright

contracts: .venv/.installed
	$(BIN)/lint-imports --no-logo

drift: .venv/.installed
	$(BIN)/python -m algo_contract.schema --check .
	charts/sync-crds --check

size: .venv/.installed
	$(BIN)/python tests/sizes.py

audit: .venv/.installed ## known holes in the dependencies
	$(BIN)/pip-audit --disable-pip --requirement requirements/runner.lock --requirement requirements/operator.lock --requirement requirements/login.lock --requirement requirements/sim.lock

unit: setup # four at a time: most of them wait for processes
	$(PYTEST) -m "not e2e" -n 4 --dist worksteal

clocks: setup ## a long job: every test that needs no pods, under eight shifted clocks
	@tests/clocks/run

e2e: up ## the tests that need pods, on the local cluster
	$(PYTEST) -m e2e tests/e2e

# --- the local cluster ----------------------------------------------------------------------------

up: setup ## the local cluster with the product in it
	@cluster/up
	@cluster/build-images
	@cluster/load-images
	@cluster/install-chart

down: ## remove the cluster, its routes and any daemon that `up` started; caches stay
	@cluster/down

clean: ## remove the cluster and its caches; .venv stays
	@cluster/clean

images: setup
	@cluster/build-images

demo: up ## a stop-loss hit in a real pod: one recorded day, three strategies
	@PYTHONPATH=cluster $(BIN)/python -m demo

status: ## addresses, pods and strategies of the local cluster
	@cluster/status

bench: setup ## the figures of docs/benchmarks.md, measured on this machine
	@PYTHONPATH=cluster:tests $(BIN)/python -m tests.bench
