# What there is to run: make
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
UV := 0.13.9
BIN := .venv/bin

# uv does not read pip's settings; the folder of wheels named there may hold the CPU build of PyTorch.
export UV_FIND_LINKS ?= $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null)

.PHONY: help
help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## run the main job: Airflow, MLflow, sample songs, a model in service; up until Ctrl-C
	@$(BIN)/mer demo

.PHONY: setup
setup: .venv/made ## build .venv, which holds everything

# Compiled once here: some twenty processes of the demo import from it.
.venv/made: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: install Python 3.11, or make PYTHON=…"; exit 1; }
	@echo "Building .venv: once, and again when requirements.lock or pyproject.toml changes"
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv; $(BIN)/pip install --quiet uv==$(UV); }
	@# --no-deps: the lock is complete, and musicnn asks for libraries of 2019 that nothing here needs
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-deps -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@# librosa compiles functions at their first use; here once, not in the first of several processes at a time
	$(BIN)/python -c 'from mer_tasks.features.summary import summary_names; from mer_tasks.settings import load_params; summary_names(load_params().features)'
	@touch $@

.PHONY: test
test: lint ## lint, then all tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: test-platform
test-platform: setup ## build and start the services, stop and kill them in mid-run, back up and restore (Docker, an hour)
	$(BIN)/pytest -v -m platform tests/platform

.PHONY: lint
lint: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: up
up: ## build and start the services (Docker), wait until they are healthy, print their addresses
	@docker/up

.PHONY: down
down: ## stop the services; their data stays
	@docker/compose down

.PHONY: docs
docs: setup ## build the documentation into site/: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

COMPILE = $(BIN)/uv pip compile --quiet --python-version 3.11 --no-header --no-annotate pyproject.toml

.PHONY: lock
lock: setup ## write the locks anew from pyproject.toml, keeping versions that still fit
	sed -i '/^torch==/d' requirements.lock requirements-worker.lock # kept, the pin would choose the build with CUDA
	$(COMPILE) --extra worker --extra dev -o requirements.lock
	$(COMPILE) -c requirements.lock --extra worker -o requirements-worker.lock
	$(COMPILE) -c requirements.lock -o requirements-orchestrator.lock
	sed -i 's/+cpu$$//' requirements*.lock # the pin takes whichever build of PyTorch there is

.PHONY: clean
clean: ## remove .venv and caches; songs, models and databases stay
	rm -rf .venv build site .*_cache .hypothesis *.egg-info
	find dags mer_tasks tests -name __pycache__ -prune -exec rm -rf {} +
