# make run | test | check | attacks | faults | bench | setup. Needs Linux, Python 3.11 and the package registry; all else is made in .venv.
#
#   PYTHON           the interpreter that makes .venv (python3.11, else python3)
#   TORCH_INDEX_URL  where torch comes from, e.g. https://download.pytorch.org/whl/cpu to leave the CUDA packages out
#   HOST PORT FLUEMAN_HOME DATABASE_URL REDIS_URL STORAGE_URL QUEUE_URL …: see .env.example

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run setup test check attacks faults bench format messages

help:
	@sed -n 's/^# make /make /p' Makefile

# What the addresses of servers say, also in files; for those in a secret store: docs/operations.md.
ADDRESSES := DATABASE_URL REDIS_URL QUEUE_URL STORAGE_URL
NAMED = $(foreach name,$(ADDRESSES),$($(name)) $(if $($(name)_FILE),$(shell cat $($(name)_FILE) 2>/dev/null)))
IS_PRODUCTION = $(filter mysql% postgres% redis% gs%,$(NAMED))

run: $(VENV)/.run $(if $(IS_PRODUCTION),$(VENV)/.production)
	@exec $(PY) -m flueman.supervise

setup: $(VENV)/.dev
	@if [ -d .git ]; then $(VENV)/bin/pre-commit install >/dev/null && echo "The hooks of .pre-commit-config.yaml are in place."; fi

test: $(VENV)/.dev
	@[ "$$(id -u)" != 0 ] || sh tools/install_system.sh
	@exec $(PY) tools/run_tests.py

check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy
	$(PY) manage.py check --fail-level WARNING
	$(PY) manage.py makemigrations --check --dry-run

attacks: $(VENV)/.dev
	@FLUEMAN_ATTACKS=docs/attacks.md exec $(PY) -m pytest -p no:cacheprovider -q tests/attacks

faults: $(VENV)/.dev
	@[ "$$(id -u)" != 0 ] || sh tools/install_system.sh
	@FLUEMAN_FAULTS=long exec $(PY) -m pytest -s tests/faults

bench: $(VENV)/.dev
	@exec $(PY) -m bench --quick

format: $(VENV)/.dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

messages: $(VENV)/.dev
	@exec $(PY) tools/messages.py

$(VENV)/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Flueman needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "Python lacks its venv module (Debian: apt-get install python3-venv)."; exit 1; }

$(VENV)/.run: requirements.txt constraints.txt | $(VENV)/bin/python
	@echo "Installing what Flueman needs into $(VENV) (once)."
	@if [ -n "$(TORCH_INDEX_URL)" ]; then $(PIP) --index-url "$(TORCH_INDEX_URL)" --no-deps "$$(grep -o '^torch==[^ ]*' requirements.txt)"; fi
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.production: requirements-production.txt $(VENV)/.run
	@[ "$$(id -u)" != 0 ] || sh tools/install_system.sh driver
	$(PIP) -r requirements-production.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(PIP) -r requirements-dev.txt
	@touch $@
