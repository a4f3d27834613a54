# What each target does is explained in CONTRIBUTING.md. Needs Python 3.11 or newer and make, nothing else.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RESULTS := results/ablation
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The first of these that is new enough; `make PYTHON=/path/to/python` overrides it.
PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$candidate; break; fi; done)

# The stamp holds the folder that was installed. A copied or moved tree, whose scripts point elsewhere, and a venv
# whose interpreter is gone lose it here, and so are built anew.
ifneq ($(wildcard $(STAMP)),)
ifneq ($(shell cat $(STAMP)),$(CURDIR))
$(shell rm -f $(STAMP))
else ifneq ($(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),runs)
$(shell rm -f $(STAMP))
endif
endif

.PHONY: help ablation test lint docs bench clean

help:
	@echo "make ablation   train three rewards on two games and write figures, a table and a report to $(RESULTS)"
	@echo "make test       linters, types and tests"
	@echo "make lint       linters and types only"
	@echo "make docs       write docs/environments from the docstrings and the registry"
	@echo "make bench      every script of benchmarks/"
	@echo "make clean      remove $(VENV), caches and build output (results/ stays)"

# The stamp goes first and comes back last: a run that was killed in between leaves a venv without one, and the next
# run starts over instead of trusting half of it. An edited pyproject.toml only updates a whole venv. torch goes
# before the rest, so that TORCH_INDEX applies to it alone. It is the version that the figures of the README were made
# with, so that `make ablation` draws the same ones; pyproject.toml allows later versions.
$(STAMP): pyproject.toml
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "payoff needs Python 3.11 or newer; tried: $(or $(PYTHON),python3 and python on the path)" >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; fi
	@if [ -e $@ ]; then rm -f $@; echo "==> updating $(VENV), since pyproject.toml has changed"; else \
		echo "==> making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear $(VENV); fi
	@echo "==> installing torch$(if $(TORCH_INDEX), from $(TORCH_INDEX)) (the largest download)"
	@$(PIP) install --quiet $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") torch==2.13.0
	@echo "==> installing payoff with the extras train, play and dev"
	@$(PIP) install --quiet -e ".[train,play,dev]"
	@echo "$(CURDIR)" > $@
	@echo "==> installed in $(VENV)"

ablation: $(STAMP)
	@echo "==> reward ablation: 2 games x 3 rewards x 3 seeds, results in $(RESULTS)"
	@$(BIN)/payoff ablate --envs payoff/TrustDilemma-v0 payoff/ReciprocalDilemma-v0 \
		--rewards private integrated cooperative --seeds 3 --algo ippo --out $(RESULTS)

lint: $(STAMP)
	@echo "==> ruff check"
	@$(BIN)/ruff check .
	@echo "==> ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "==> mypy"
	@$(BIN)/mypy
	@echo "==> lint-imports"
	@$(BIN)/lint-imports
	@echo "==> codespell"
	@$(BIN)/codespell

test: lint
	@$(BIN)/python -c 'import ray' 2>/dev/null || { echo "==> installing the extra scale"; $(PIP) install --quiet -e ".[scale]"; }
	@echo "==> pytest, in two processes"
	@$(BIN)/python -m pytest -n 2 --dist loadfile

docs: $(STAMP)
	@echo "==> docs/generate.py"
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/toolkit.py
	@$(BIN)/python docs/columns.py
	@$(BIN)/python docs/corpus.py

bench: $(STAMP)
	@set -e; for script in benchmarks/[!_]*.py; do \
		[ -e "$$script" ] || { echo "no scripts in benchmarks/"; break; }; \
		echo "==> $$script"; $(BIN)/python "$$script"; done

clean:
	@echo "==> removing $(VENV), caches and build output"
	@rm -rf $(VENV) build dist src/payoff.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find envs wrappers baselines calibration src tests -name __pycache__ -type d -prune -exec rm -rf {} +
