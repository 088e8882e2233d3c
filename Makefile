# The door to everything: `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup lock demo test check up down clean status images lint types contracts generate drift unit test-api-server e2e bench fmt

BIN := .venv/bin
UV := $(BIN)/uv
MEMBERS := crds operator runner/engine runner/redis runner/brokers runner/strategy runner/feed
PYTHON ?= python3
export UV_NO_CONFIG_INDEX := 1

help: ## what each target does
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | sort | awk -F ':.*?## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: .venv/.installed ## the Python environment in .venv and the tools in .tools
	@cluster/setup-tools

.venv/.installed: requirements/dev.lock requirements/uv.lock pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	@cluster/setup-venv

lock: ## resolve the dependencies anew and write requirements/*.lock
	requirements/lock

