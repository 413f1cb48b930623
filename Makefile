# The commands of the project. `make help` lists them; each makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export DAGSTER_HOME ?= $(CURDIR)

.DEFAULT_GOAL := help
.PHONY: help demo next-day up run status test lint format docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making the environment in $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

.env:
	@printf '# Read by the dagster commands in this folder.\nDAGSTER_HOME=%s\n' '$(CURDIR)' > .env

demo: $(STAMP) .env ## simulate a plant, run everything, show what happened and where to look
	@$(BIN)/copilot demo

next-day: $(STAMP) .env ## add a day to the demo plant's exports, for the sensors or `make run` to find
	@$(BIN)/copilot demo next-day

run: $(STAMP) .env ## load what waits and bring everything up to date, in one process
	@$(BIN)/copilot run

status: $(STAMP) ## what came in, what is forecast, what is open, who was told
	@$(BIN)/copilot status

up: $(STAMP) .env ## the Dagster UI, the daemon and the sensors, on this machine only
	@$(BIN)/copilot up

test: $(STAMP) ## all tests
	@$(BIN)/python -m pytest -n 2 --dist loadscope

lint: $(STAMP) ## style, types and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## put the code into its form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(STAMP) ## make the reference pages and the JSON Schemas from the declarations
	@$(BIN)/copilot reference docs

lock: ## pin the newest versions that fit pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --no-strip-extras --all-extras --group test --group lint --group build pyproject.toml -o constraints.txt

clean: ## remove the environment and the demo's home
	rm -rf $(VENV) .copilot .env
