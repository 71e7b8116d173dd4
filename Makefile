# `make demo` and `make test` do all their own set-up. They need Python ≥ 3.11 and make, nothing else.
# Another interpreter: make demo PYTHON=python3.12. Options for the demo: make demo ARGS="--quick".

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
WORKERS ?= 2

# The same exact versions everywhere, also inside isolated builds.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types tests faults package clean

demo: $(VENV)/.demo  ## the main job on real data, from training to the page
	$(BIN)/heatproof demo $(ARGS)

test: lint types tests  ## everything that must hold before a commit

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev
	$(BIN)/mypy

tests: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

faults: $(VENV)/.dev  ## a certification killed 50 times at random moments, then compared with an unbroken one
	OMP_NUM_THREADS=1 HEATPROOF_FAULTS=50 $(BIN)/python -m pytest -s tests/certification/test_certify_faults.py $(ARGS)

package: $(VENV)/.dev  ## build wheel and sdist, and test the wheel in an empty environment
	$(BIN)/python tools/package.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "heatproof needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo
