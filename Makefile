# `make` alone lists what there is. Everything is installed into .venv; nothing outside this folder is touched.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
WORKERS ?= 2
SEED ?= 1
ARGS ?=
LAB_STORIES ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
OURS := $(PIP) --no-deps --no-build-isolation --editable .
UV := uv pip compile pyproject.toml --universal --generate-hashes --no-strip-extras --no-header --quiet

.PHONY: help demo test check lab page bench bench-attribution docs programs lock

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: .venv/runtime ## The whole story on a simulated mesh, from nothing, in about two minutes (ARGS=--keep keeps it up)
	@$(BIN)/observer demo $(ARGS)

test: .venv/dev build/page/axe.js ## All tests but the laboratory's (ARGS="-k name" for some)
	$(BIN)/python -m pytest tests --ignore=tests/lab -n $(WORKERS) --dist loadfile --randomly-seed=$(SEED) $(ARGS)

check: .venv/dev ## Lint, format, types, layers, dependencies, dead code, shell, YAML
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml observer
	$(BIN)/yamllint --strict .
	git ls-files -z -- '*.sh' .ci/run | xargs -0 $(BIN)/shellcheck

lab: .venv/dev ## Real Kubernetes, Istio, Envoy: up, stories, down (root, Linux, Go; LAB_STORIES="a or b" for some)
	$(BIN)/python -m tests.lab run -- $(if $(LAB_STORIES),-k "$(LAB_STORIES)") $(ARGS)

page: .venv/created ## Take the scripts that the page draws with (needs npm); without them it shows tables and lines
	$(BIN)/python deploy/build_page.py --tests

bench: .venv/dev ## Print the figures of the bench (ARGS="--full --json FILE")
	$(BIN)/python -m tests.bench $(ARGS)

programs: ## Install the Debian programs that tests talk to (asks for root)
	deploy/debian-packages.sh

lock: ## Write requirements/*.txt anew from pyproject.toml (needs uv)
	$(UV) --all-extras --group dev -o requirements/dev.txt
	$(UV) --constraint requirements/dev.txt -o requirements/runtime.txt
	uv pip compile --group build --universal --generate-hashes --no-strip-extras --no-header --quiet -o requirements/build.txt

docs: .venv/dev ## Write docs/reference and dashboards/ from the code
	$(BIN)/python -m observer.cli.reference docs/reference deploy
	$(BIN)/python -m tests.tools.reason_pages docs/reference
	$(BIN)/observer dashboards --out dashboards

bench-attribution: .venv/dev ## Print how often the right cause is named (ARGS="--corpus DIR --json FILE")
	$(BIN)/python -m tests.bench.attribution $(ARGS)

# Tests of plots and accessibility are listed as NOT RUN where there is no npm.
build/page/axe.js: deploy/build_page.py | .venv/created
	@if command -v npm >/dev/null; then $(BIN)/python deploy/build_page.py --tests; else echo "NO npm: the page has no plots"; fi

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Observer needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	@echo "making .venv (once)"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | .venv/created
	@echo "installing Observer and its locked requirements (once)"
	@$(PIP) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(OURS)
	@touch $@

.venv/dev: requirements/dev.txt .venv/runtime
	@echo "installing the locked tools of the tests (once)"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@
