# Everything a newcomer or a maintainer does, in one command each. `make` alone lists them.
# Needs Python 3.11 or newer with its venv module, and make; all else goes into .venv, checked by hash.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# `make test PYTHON=python3.13` works with that version, in an environment of its own beside .venv.
ifeq ($(origin PYTHON), command line)
PYTHONS := $(PYTHON)
VENV := .venv-$(notdir $(PYTHON))
else
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3
VENV := .venv
endif
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# One more than the processors of a small machine, for walks wait as often as they work. The store of each test is its
# own, so tests may run side by side.
WORKERS ?= 3
EDITOR := src/unsealed/inlets/web/static/editor
# The tests start hundreds of processes: where nothing compiled is kept, each compiles the whole program again.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal

.PHONY: help install run test check walks e2e crash bench size accuracy docs texts screenshots lock clean

help:  ## this list
	@sed -nE 's/^([a-z0-9]+):.*##[[:space:]]*(.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# The first interpreter that runs and can make a virtual environment (Debian's python3 alone cannot).
$(BIN)/python:
	@for python in $(PYTHONS); do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
			echo "making $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "No Python 3.11 or newer with venv among: $(PYTHONS) (Debian: apt install python3-venv)." >&2; exit 1

# The editor of the page for writing comes as one file out of a Python package; nothing else of that package is used.
$(EDITOR)/editor.js: requirements-editor.lock | $(BIN)/python
	@echo "fetching the editor"
	@rm -rf $(VENV)/editor && mkdir -p $(VENV)/editor $(EDITOR)
	@$(PIP) download --no-deps --only-binary :all: --require-hashes --dest $(VENV)/editor -r requirements-editor.lock
	@$(BIN)/python -m zipfile --extract $(VENV)/editor/*.whl $(VENV)/editor
	@cp $(VENV)/editor/*.dist-info/licenses/LICENSE $(EDITOR)/
	@cp $(VENV)/editor/*/static/*/editor.js $@

$(VENV)/.installed: requirements.lock pyproject.toml $(EDITOR)/editor.js | $(BIN)/python
	@echo "installing what Unsealed needs"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "installing what its tests need"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

install: $(VENV)/.installed  ## prepare .venv with the command .venv/bin/unsealed

run: $(VENV)/.installed  ## start everything; data in ./var, or where UNSEALED_DATA says
	@UNSEALED_DATA="$${UNSEALED_DATA:-var}" exec $(BIN)/unsealed serve

test: $(VENV)/.installed-dev  ## all tests
	@$(PYTEST) tests

check: $(VENV)/.installed-dev  ## format, lint, types, import contracts, documents, tests for every module
	$(BIN)/ruff format --check . docs/*.py
	$(BIN)/ruff check . docs/*.py
	MYPYPATH=src:. $(BIN)/mypy --explicit-package-bases src tests bench docs/*.py
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/python docs/texts.py --check
	$(BIN)/pytest -q tests/unit/test_house.py

walks: $(VENV)/.installed-dev  ## only the tests with real processes
	@$(PYTEST) tests/walks

e2e: $(VENV)/.installed-dev  ## the whole way: a mail program, an upstream, a browser; pictures in tests/shots
	@UNSEALED_TEST_SHOTS=tests/shots $(BIN)/pytest tests/walks

crash: $(VENV)/.installed-dev  ## kill and cut the power, many rounds
	@UNSEALED_TEST_ROUNDS=200 $(BIN)/pytest tests/crash

bench: $(VENV)/.installed-dev  ## measure, side by side with others
	@$(BIN)/python -m bench.run

size: $(VENV)/.installed-dev  ## measure every page with ten million events; needs 12 GB of disk, 8 of memory and a quarter of an hour
	@$(BIN)/python -m bench.size --full

accuracy: $(VENV)/.installed-dev  ## how often the judge is right, on simulated mail; writes the tables into docs
	@$(BIN)/python -m bench.accuracy --write

docs: $(VENV)/.installed-dev  ## write docs/reference from the code
	@$(BIN)/python docs/generate.py

texts: $(VENV)/.installed-dev  ## gather the sentences of the code into the catalogues of src/unsealed/texts
	@$(BIN)/python docs/texts.py

screenshots: $(VENV)/.installed-dev  ## pictures for the documents, of a real installation (needs chromium)
	@$(BIN)/python -m docs.screenshots

lock:  ## for maintainers: raise the versions in the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate \
		--group build --extra postgres pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate \
		--constraint requirements.lock --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate \
		--no-deps --group editor -o requirements-editor.lock

clean:  ## remove all that was made here, the data in ./var excepted
	rm -rf .venv .venv-python* $(EDITOR) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build tests/shots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
