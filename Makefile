# Everything a contributor calls. `make help` lists it; CONTRIBUTING.md explains it.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The newest-enough Python on the PATH; another one: make PYTHON=/path/to/python3.12 …
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$candidate; break; fi; done)
endif

# Caches outlive a checkout, so that a clean clone starts warm.
CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/codecourier
export MYPY_CACHE_DIR := $(CACHE)/mypy
export RUFF_CACHE_DIR := $(CACHE)/ruff

RUN := .venv/bin/python
# Folders that hold Python; those that do not exist yet are left out.
CODE := $(wildcard operator tests tools bench)
export PYTEST_ARGS ?=
# The agent's command is for its shell: make takes no `$` in it for its own.
override export AGENT := $(value AGENT)
SECONDS ?= 60
BENCH_ARGS ?=

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: init
init: ## Install what the other targets need (they call it themselves)
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "CodeCourier needs Python 3.11 or newer; '$(or $(PYTHON),python3)' is $$($(or $(PYTHON),python3) --version 2>&1 || true)." >&2; \
		echo "Install one, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m tools.environment

.PHONY: check check-style check-types check-spelling check-crds check-locks check-layers check-openapi
check: check-style check-types check-spelling check-crds check-locks check-layers check-openapi ## Style, types, spelling, generated files, locks, layers
check-style: init
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	bash -n .ci/run
	for script in $$(find operator examples -name '*.sh'); do sh -n $$script || exit 1; done
check-types: init
	$(RUN) -m mypy $(CODE)
check-spelling: init
	$(RUN) -m codespell_lib
check-crds: init
	$(RUN) -m codecourier.resources.crd --check
	$(RUN) -m codecourier.kinds.manifests --check
check-openapi: init
	$(RUN) -m tools.openapi --check
check-locks: init
	$(RUN) -m tools.lock --check
check-layers: init
	$(RUN) -m pytest --quiet tests/architecture_test.py

.PHONY: format
format: init ## Format the code and mend what can be mended without thought
	$(RUN) -m ruff check --fix-only .
	$(RUN) -m ruff format .

.PHONY: controlplane
controlplane: init ## Get etcd, kube-apiserver and kube-controller-manager into the cache
	$(RUN) -m codecourier.cli local fetch

# The cluster tests start control planes, one at a time, and wait most of the time; the others share the cores meanwhile,
# and their output comes afterwards. pytest's status 5 means that it found no test, which is an error unless somebody asked
# for some tests only.
.PHONY: test
test: controlplane ## Every test (PYTEST_ARGS='-k name' for some)
	@status=0; log=$$(mktemp); trap 'kill $$others 2>/dev/null; rm -f "$$log"' EXIT; trap 'exit 130' INT TERM; \
	count() { [ $$1 = 0 ] || { [ $$1 = 5 ] && [ -n "$$PYTEST_ARGS" ]; } || status=$$1; }; \
	$(RUN) -m pytest -n 2 -m 'not cluster' $(PYTEST_ARGS) >"$$log" 2>&1 & others=$$!; \
	code=0; $(RUN) -m pytest -m cluster $(PYTEST_ARGS) || code=$$?; count $$code; \
	code=0; wait $$others || code=$$?; count $$code; others=; \
	cat "$$log"; exit $$status

.PHONY: test-fast
test-fast: init ## The tests that need no control plane
	$(RUN) -m pytest -n 2 -m 'not cluster' $(PYTEST_ARGS)

.PHONY: sim
sim: init ## Simulate the whole operator with new seeds for SECONDS=60, or SEED=n alone with its trace
	$(RUN) -m tests.simulation $(if $(SEED),--seed $(SEED) --trace,--seconds $(SECONDS))

.PHONY: bench
bench: controlplane ## Measure the operator against its targets (BENCH_ARGS='--help' for the options)
	$(RUN) -m bench $(BENCH_ARGS)

.PHONY: demo
demo: init ## Run a chain of three sprints on a local cluster (AGENT='command' for your own agent)
	@if [ -n "$$AGENT" ]; then $(RUN) -m codecourier.cli demo --agent "$$AGENT"; else $(RUN) -m codecourier.cli demo; fi

.PHONY: demo-merge
demo-merge: init ## Merge three pull requests, of which two conflict, on a local cluster (AGENT='command' for your own agent)
	@if [ -n "$$AGENT" ]; then $(RUN) -m codecourier.cli demo-merge --agent "$$AGENT"; else $(RUN) -m codecourier.cli demo-merge; fi

.PHONY: down
down: init ## Stop the local cluster of this folder
	$(RUN) -m codecourier.cli local down

.PHONY: crds
crds: init ## Write crds/ from the models
	$(RUN) -m codecourier.resources.crd

.PHONY: manifests
manifests: init ## Write manifests/ (the roles of members) from the tables
	$(RUN) -m codecourier.kinds.manifests

.PHONY: openapi
openapi: init ## Write docs/openapi.json after a change of the REST API's operations
	$(RUN) -m tools.openapi

.PHONY: lock
lock: ## Lock the requirements after a change of pyproject.toml (with Python 3.11)
	$(PYTHON) -m tools.lock

.PHONY: update
update: ## Lock the newest versions that pyproject.toml admits (with Python 3.11)
	$(PYTHON) -m tools.lock --upgrade

.PHONY: clean
clean: ## Remove what was made in this folder; the shared cache stays
	@if [ -e .codecourier ] && [ -x $(RUN) ]; then $(RUN) -m codecourier.cli local down; fi
	rm -rf .venv .codecourier .pytest_cache .hypothesis .mypy_cache .ruff_cache dist
	find operator tests tools bench examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
