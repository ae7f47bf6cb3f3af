# The commands of this project. Only Python 3.11 or later and make are needed; everything else goes into .venv.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
QUINTANT := $(BIN)/quintant
# The locks name no index and nothing of the machine on which they are written. The oldest Python needs the most packages,
# so write them with 3.11.
LOCKER := build/lock/bin/pip-compile
LOCK := env -u PIP_FIND_LINKS $(LOCKER) --generate-hashes --allow-unsafe --strip-extras --no-config --quiet --no-header \
	--no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options $(if $(UPGRADE),--upgrade)

.PHONY: up down status doctor lint check test bench fault lock clean

up: $(VENV)/installed  ## Start everything and show the demo company.
	@$(QUINTANT) up

down: $(VENV)/installed  ## Stop everything; keeps all data.
	@$(QUINTANT) down

status doctor: $(VENV)/installed  ## What runs where; what is wrong and how to mend it.
	@$(QUINTANT) $@

lint: $(VENV)/installed-dev  ## Format, lint, types, imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint  ## The same, then unit and contract tests on both cores: about two minutes.
	$(BIN)/python -m pytest -q -n 2 --hypothesis-profile=quick tests/unit tests/contract

# Tests that hold nothing to a time: they may run on both cores, each core with servers of its own.
SIDE_BY_SIDE := tests/unit tests/contract $(addprefix tests/integration/,\
	forecast ingest metrics_read metrics_write pipeline sources)

test: $(VENV)/installed-dev  ## Everything, against a real PostgreSQL and a real Kafka that the tests start.
	$(BIN)/python -m pytest -n 2 --dist loadfile $(SIDE_BY_SIDE)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE:%=--ignore=%)

bench: $(VENV)/installed-dev  ## Speed, as ratios against a baseline of the same run.
	$(BIN)/python -m pytest -m bench -s

fault: $(VENV)/installed-dev  ## Kills, freezes and partitions real processes; writes docs/reliability.md.
	FAULT_REPORT=docs/reliability.md FAULT_COMMAND="make fault" $(BIN)/python -m pytest -m fault

lock: | $(LOCKER)  ## Write the locks anew from pyproject.toml; UPGRADE=1 takes the newest versions.
	$(LOCK) --extra forecast --extra local --extra salesforce -o requirements.txt pyproject.toml
	$(LOCK) --all-extras -c requirements.txt -o requirements-dev.txt pyproject.toml

clean:  ## Delete what can be made again; the data of the local stack (`quintant reset`) stay.
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* build *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/python"; exit 1; }
	@echo "making the Python environment in $(VENV)"
	@"$(PYTHON)" -m venv $(VENV) || { echo "Python's venv module is needed (on Debian: apt install python3-venv)"; exit 1; }

$(VENV)/installed: requirements.txt | $(BIN)/python
	@$(BIN)/python -m quintant.environment requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt | $(VENV)/installed
	@$(BIN)/python -m quintant.environment requirements-dev.txt
	@touch $@

$(LOCKER):
	"$(PYTHON)" -m venv build/lock
	build/lock/bin/pip install --quiet pip-tools
