# One door. `make drill` and `make test` need Python 3.11, git and a C compiler, and make their own environment.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-from-lock
LOCKED := requirements/dev.txt
DRILL ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help env drill test check bench k8s-check browser-test wheel torch frameworks torch-test slurm-test conformance lock docs cli-docs docs-index clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## Make the locked environment in .venv (uv if there, otherwise pip)

# The environment follows the lock: nothing is resolved here, and pip checks every hash. The project itself goes in
# editable and without build isolation, so that its build tools come from the lock as well.
# What is not in the lock (torch, after `make torch`) is left alone.
$(STAMP): uv.lock $(LOCKED) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "got $$($(PYTHON) --version 2>&1); expected Python 3.11 or later; say which: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@if command -v uv >/dev/null; then \
	  echo "making $(VENV) with uv"; \
	  test -x $(BIN)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
	  VIRTUAL_ENV=$(CURDIR)/$(VENV) UV_PROJECT_ENVIRONMENT=$(VENV) \
	    uv sync --quiet --frozen --inexact --all-groups --extra drill --extra measure --extra pages --extra simulate --no-install-project; \
	  VIRTUAL_ENV=$(CURDIR)/$(VENV) uv pip install --quiet --no-deps --no-build-isolation --editable .; \
	else \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "got a Python without venv and ensurepip; expected both; on Debian: apt-get install python3-venv (or install uv)" >&2; exit 1; }; \
	  echo "making $(VENV) with pip"; \
	  test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    -r $(LOCKED); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

drill: env ## Run the full exercise; the report is drill/report.html (options: make drill DRILL="--browser")
	$(BIN)/detente drill --out drill $(DRILL)

# Two workers: the integration tests mostly wait for processes and clocks, the others compute. A file stays with one worker.
test: env ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: env ## Lint, types, layers, dependencies, doctests, the repository's own tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry src
	$(BIN)/python -m pytest --doctest-modules src
	$(BIN)/python -m pytest tests/repo

bench: env ## Measure the figures and print their tables
	@found=0; for bench in bench/*_bench.py; do \
	  test -e "$$bench" || continue; found=1; echo "== $$bench"; $(BIN)/python "$$bench"; \
	done; test $$found = 1 || { echo "got no bench/*_bench.py; expected at least one" >&2; exit 1; }

# axe comes by itself, from a wheel whose hash is pinned: its package depends on another browser driver, which is not needed.
AXE := $(VENV)/axe
$(AXE)/axe_playwright_python/axe.min.js: requirements/axe.txt $(STAMP)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(AXE) -r $<
	@touch $@

k8s-check: env ## Try the gate on a real cluster: K8S_CONTEXT=… K8S_IMAGE=… (nobody has yet); the transcript is k8s-transcript.txt
	$(BIN)/python -m tests.integration.k8s_check --context "$(K8S_CONTEXT)" --image "$(K8S_IMAGE)"

browser-test: $(AXE)/axe_playwright_python/axe.min.js ## Open every page in Chromium: axe, keyboard, passkeys; pictures are in browser-test/
	@for each in chromium chromedriver; do command -v $$each >/dev/null || { \
	  echo "got no $$each; expected it on PATH; on Debian: apt-get install chromium chromium-driver" >&2; exit 1; }; done
	DETENTE_BROWSER=1 DETENTE_AXE=$(CURDIR)/$< $(BIN)/python -m pytest tests/integration/browser

wheel: env ## Build the wheel, install it into an empty environment, ask its version
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel -d dist
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	  if command -v uv >/dev/null; then \
	    uv venv --quiet --seed --python $(BIN)/python "$$scratch/venv"; \
	  else \
	    $(BIN)/python -m venv "$$scratch/venv"; \
	  fi; \
	  "$$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check dist/*.whl; \
	  cd "$$scratch"; venv/bin/detente --version

# pip's own configuration decides which build of torch comes: for the small one, point it at PyTorch's CPU index.
torch: env ## Add PyTorch to .venv for --workload torch and torchrun
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	$(BIN)/python -m pip install --disable-pip-version-check torch==2.13.0

# The versions that the conformance table was seen with; torch first, so that nothing else chooses its build.
FRAMEWORKS := torchdata==0.11.0 transformers==5.24.0 accelerate==1.15.0 lightning==2.6.6 jax==0.10.2 orbax-checkpoint==0.12.8
frameworks: torch ## Add the training frameworks to .venv for their hooks' tests
	$(BIN)/python -m pip install --disable-pip-version-check torch==2.13.0 $(FRAMEWORKS)

# The loader of torchdata is one of those that are tested.
torch-test: torch ## Run what needs PyTorch: exact resumes, ranks, the conformance suite
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps torchdata==0.11.0
	$(BIN)/python -m pytest tests/integration/test_torch_exact_state.py tests/integration/test_torch_ranks.py \
	  tests/integration/test_workload_torch.py tests/integration/test_sharded_checkpoint.py tests/conformance

# One-node clusters of Debian's packages, without systemd; as root, on ports and in folders of their own.
slurm-test: torch ## Bring up Slurm clusters: the gate, the pause of a whole cluster, ranks that resume exactly
	@for each in slurmctld slurmd munged squeue; do PATH=$$PATH:/usr/sbin command -v $$each >/dev/null || { \
	  echo "got no $$each; expected it on PATH; on Debian: apt-get install slurm-wlm munge liblua5.3-0" >&2; exit 1; }; done
	@test "$$(id -u)" = 0 || { echo "got another user than root; slurmd starts jobs as their users, which only root can do" >&2; exit 1; }
	DETENTE_SLURM=1 $(BIN)/python -m pytest tests/integration/test_slurm_gate.py tests/integration/test_slurm_pause.py \
	  tests/integration/test_slurm_full_disk.py tests/integration/test_slurm_interrupted.py \
	  tests/conformance/test_scheduling_slurm.py

# Adapters whose packages are not there are skipped, and their rows stay as they were.
conformance: frameworks ## Run the conformance suite and write its table, docs/reference/conformance.md
	DETENTE_SLURM=1 DETENTE_CONFORMANCE=1 $(BIN)/python -m pytest tests/conformance
	$(BIN)/python -m tests.conformance.page

lock: ## Resolve the dependencies anew (needs uv)
	@command -v uv >/dev/null || { echo "got no uv; expected it on PATH; python3 -m pip install uv" >&2; exit 1; }
	uv lock --default-index https://pypi.org/simple $(LOCK)
	uv export --quiet --frozen --all-groups --extra drill --extra measure --extra pages --extra simulate --no-emit-project --no-annotate --output-file $(LOCKED)

docs: cli-docs docs-index ## Write the generated parts of docs/

cli-docs: env ## Write docs/reference/cli.md from the commands' own --help
	$(BIN)/python -m tests.repo.cli_reference

docs-index: env ## Write the list of pages in docs/README.md
	$(BIN)/python -m tests.repo.docs_index

clean: ## Remove what was made, .venv too
	rm -rf $(VENV) dist drill browser-test .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
