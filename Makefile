# Two commands set everything up by themselves: make demo, make test.
# They need Python >= 3.11 and make; PYTHON names another interpreter.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

INSTALL  := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e
SETTINGS := setup.cfg constraints.txt pyproject.toml

.PHONY: demo test soak check bench clean

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or newer, got " + sys.version.split()[0] + "; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# What users install; the demo needs no more.
$(VENV)/.installed: $(VENV)/.made $(SETTINGS)
	$(INSTALL) .
	touch $@

$(VENV)/.dev: $(VENV)/.made $(SETTINGS)
	$(INSTALL) '.[dev]'
	touch $(VENV)/.installed $@

# A shop from PyPI, which one test fills, runs and crawls.
$(VENV)/.integration: $(VENV)/.made $(SETTINGS)
	$(INSTALL) '.[dev,integration]'
	touch $(VENV)/.installed $(VENV)/.dev $@

demo: $(VENV)/.installed
	$(BIN)/mep3m demo $(DEMO)

# A process for each processor, at most four; ARGS='-n 0' runs the tests one after the other.
test: $(VENV)/.integration
	$(BIN)/python -m pytest -m 'not soak' -n auto --maxprocesses 4 --cov --cov-report=term:skip-covered $(ARGS)

# Photos of another shop, for some of its tests; without npm they are skipped.
soak: $(VENV)/.integration
	$(BIN)/python -m tests.photos
	$(BIN)/python -m pytest -m soak -s $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.bench: $(VENV)/.made $(SETTINGS)
	$(INSTALL) '.[dev,bench]'
	touch $@

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
