# Every target works as root or not, in a fresh clone, and does nothing twice.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
JOBS ?= 3
BENCH ?= *
ARGS ?=
BIN := .venv/bin
export PYTHON

##@ Use it

.PHONY: setup
setup: .venv/.runtime ## install what Rondo needs to run, into .venv

.PHONY: run
run: .venv/.runtime ## run the service (ARGS="--port 8001" is passed on)
	@exec $(BIN)/rondo serve $(ARGS)

.PHONY: demo
demo: .venv/.runtime ## run it with a preset organisation, history, a roster and live traffic
	@exec $(BIN)/rondo demo $(ARGS)

.PHONY: migrate
migrate: .venv/.runtime ## bring the database to the schema of this version
	@exec $(BIN)/rondo migrate $(ARGS)

##@ Work on it

.PHONY: setup-dev
setup-dev: .venv/.dev ## install what tests and checks need too; as root also a browser and SIPp
	@scripts/system-packages

.PHONY: test
test: setup-dev ## run all tests (ARGS="tests/routing -x" narrows them)
	@exec $(BIN)/pytest -n $(JOBS) --dist worksteal -rfEs $(ARGS)

# A step prints one word when all is well, everything when not.
define step
@printf '%-12s' '$(1)'; if out=$$($(2) 2>&1); then echo ok; else echo failed; printf '%s\n' "$$out"; exit 1; fi
endef

CHECKS := check-lint check-format check-types check-scripts check-imports check-compose check-docker check-docs
.PHONY: check $(CHECKS)
check: $(CHECKS) ## lint, format, types, scripts, imports, deployment files, docs and house rules
check-lint: .venv/.dev
	$(call step,lint,$(BIN)/ruff check .)
check-format: .venv/.dev
	$(call step,format,$(BIN)/ruff format --check .)
check-types: .venv/.dev
	$(call step,types,$(BIN)/mypy)
# Deno checks the pages' modules with TypeScript, which its wheel brings along. It asks no other machine.
DENO := DENO_DIR=.venv/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1 $(BIN)/deno
check-scripts: .venv/.dev
	$(call step,scripts,$(DENO) check --no-lock --no-remote --config app/web/deno.json app/web/static/*.js)
check-imports: .venv/.dev
	$(call step,imports,$(BIN)/lint-imports)
check-compose: .venv/.dev
	$(call step,compose,$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml)
check-docker: .venv/.dev
	$(call step,docker,$(BIN)/hadolint Dockerfile)
check-docs: .venv/.dev
	$(call step,docs,$(BIN)/pytest tests/test_docs.py tests/test_house.py tests/test_compose.py)

.PHONY: bench
bench: .venv-bench/.ready ## run the benchmarks (BENCH=name for one)
	@failed=''; for script in benchmarks/$(BENCH).py; do \
	  name=$$(basename "$$script" .py); \
	  if [ "$$name" = __init__ ]; then continue; fi; \
	  echo "== $$name"; \
	  .venv-bench/bin/python -m "benchmarks.$$name" $(ARGS) || failed="$$failed $$name"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

LOCK := $(BIN)/uv pip compile --quiet --system-certs --universal --generate-hashes --python-version 3.11 \
  --custom-compile-command "make lock" $(ARGS) pyproject.toml
.PHONY: lock
lock: .venv/.dev ## pin what pyproject.toml asks for (ARGS=--upgrade takes newer versions)
	@$(LOCK) -o requirements.lock
	@$(LOCK) --group dev -o requirements-dev.lock
	@$(LOCK) --group bench -o requirements-bench.lock

.PHONY: clean
clean: ## remove environments, caches and build output; data in var/ stays
	@rm -rf .venv .venv-bench build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "%s%s\n", n++ ? "\n" : "", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/bin/python .venv-bench/bin/python: %/bin/python:
	@scripts/new-venv $*

.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	@scripts/install .venv requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock pyproject.toml | .venv/bin/python
	@scripts/install .venv requirements-dev.lock
	@touch .venv/.runtime $@

.venv-bench/.ready: requirements-bench.lock pyproject.toml | .venv-bench/bin/python
	@scripts/install .venv-bench requirements-bench.lock
	@touch $@
