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
	@echo "Creating the environment in $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

.env:
	@printf '# Read by the dagster commands in this folder.\nDAGSTER_HOME=%s\n' '$(CURDIR)' > .env

demo: $(STAMP) .env ## simulate a demo plant, run every stage, show where to look
	@$(BIN)/copilot demo

next-day: $(STAMP) .env ## add a day to the demo plant's exports
	@$(BIN)/copilot demo next-day

run: $(STAMP) .env ## load new files and bring everything up to date, in one process
	@$(BIN)/copilot run

status: $(STAMP) ## show batches, forecasts, open alerts and notifications
	@$(BIN)/copilot status

up: $(STAMP) .env ## start the Dagster UI, the daemon and the sensors on this machine
	@$(BIN)/copilot up

test: $(STAMP) ## run all tests
	@$(BIN)/python -m pytest -n 2 --dist loadscope

lint: $(STAMP) ## check style, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(STAMP) ## write the reference pages and the JSON Schemas
	@$(BIN)/copilot reference docs

lock: ## pin the newest versions that fit pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --no-strip-extras --all-extras --group test --group lint --group build pyproject.toml -o constraints.txt

clean: ## remove the environment and the demo's home
	rm -rf $(VENV) .copilot .env
