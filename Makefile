# `make aml`, `make shapley`, `make mtate` and `make test` need nothing but Python >= 3.11, make and a C library.
PYTHON ?= python3
VENV ?= .venv
# The lock: the versions that are tested together. `make test CONSTRAINTS= VENV=.venv-new` takes the newest instead.
CONSTRAINTS ?= constraints.txt
WORKDIR ?= runs/aml

# The fast tests leave out most of XLA's optimisation (tests/conftest.py), the others do not.
as_users_run := --xla_cpu_multi_thread_eigen=false

bin := $(VENV)/bin
# Installed again when a requirement or the lock changes, and only then; an interrupted installation leaves no stamp.
stamp := $(VENV)/.installed

.PHONY: aml shapley mtate test test-slow test-real lint format clean

aml: $(stamp)
	$(bin)/python -m experiments.aml --workdir=$(WORKDIR)

shapley: $(stamp)
	$(bin)/python -m experiments.shapley --workdir=runs/shapley

mtate: $(stamp)
	$(bin)/python -m experiments.mtate --workdir=runs/mtate

test: $(stamp)
	$(bin)/python -m pytest -q -n 2 --dist worksteal --durations=15 -m "not slow and not real_data"

test-slow: $(stamp)
	XLA_FLAGS=$(as_users_run) $(bin)/python -m pytest -q -m "slow and not real_data"

# JAXFAIR_DATA_DIR names the folder that holds the data sets (BUILD.md).
test-real: $(stamp)
	@test -n "$(JAXFAIR_DATA_DIR)" || { echo "Set JAXFAIR_DATA_DIR to the folder that holds ptb-xl/, UCRArchive_2018/ and challenge-2012/ (BUILD.md)."; exit 1; }
	XLA_FLAGS=$(as_users_run) $(bin)/python -m pytest -q -m real_data

lint: $(stamp)
	$(bin)/ruff format --check .
	$(bin)/ruff check .

format: $(stamp)
	$(bin)/ruff format .
	$(bin)/ruff check --fix .

$(stamp): setup.cfg pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "jaxfair needs Python 3.11 or newer; say which with PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(bin)/python -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) --editable ".[studies,test]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
