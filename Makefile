# Everything that one does with this project. `make` alone lists it.

PYTHON ?= python3
PORT ?= 8000
SBOM ?= sbom.json
SECONDS ?= 120
NIIVUE := static/vendor/niivue
NIIVUE_VERSION := 0.69.0
NIIVUE_SHA256 := 47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af
SEED ?= 0
VENV := .venv
BIN := $(VENV)/bin
# Python compiles what it imports, when it first does; compiling all packages would take 58 MB.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes
# For every platform and every Python that the project supports; LOCK_ARGS=--upgrade takes what is newer.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(LOCK_ARGS)

.DEFAULT_GOAL := help
.PHONY: help venv run test test-slow test-all test-faults reliability fuzz check lint format train benchmarks screenshots
.PHONY: translations words lock sbom kubernetes lint-docker lint-javascript vendor clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.serve-stamp ## Install what serving needs into .venv

run: $(VENV)/.serve-stamp ## Start the web app (PORT=8000)
	@echo "Loading the networks. Stop with Ctrl-C."
	@SAY_READY=1 PORT="$(PORT)" exec $(BIN)/gunicorn "app:create_app()"

test: $(VENV)/.dev-stamp ## Run the quick tests (PYTEST_ARGS="-k name")
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not fault" $(PYTEST_ARGS)

test-slow: $(VENV)/.dev-stamp $(VENV)/.ray-stamp ## Run the tests that take long
	$(BIN)/python -m pytest -m "slow and not fault" $(PYTEST_ARGS)

test-all: test test-slow ## Run all tests but those of faults

test-faults: $(VENV)/.dev-stamp ## Break the running service on purpose, in ten minutes (FAULT_ARGS=--full: in hours)
	$(BIN)/python -m pytest tests/faults $(FAULT_ARGS)

reliability: $(VENV)/.dev-stamp ## Write docs/reliability.md from the last `make test-faults` and the quick tests
	$(BIN)/python -m tests.faults.report

fuzz: $(VENV)/.dev-stamp ## Feed the decoders damaged files for SECONDS=120 (Linux on x86-64)
	$(PIP_INSTALL) --only-binary :all: -r requirements/fuzz.txt
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED)

check: lint test ## Run what a commit must pass: formatting, ruff, mypy, quick tests

lint: $(VENV)/.dev-stamp lint-javascript ## Check formatting, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

ifeq ($(shell command -v npm),)
lint-javascript:
	@echo "static/*.js is not checked: there is no npm here"
else
lint-javascript: $(VENV)/node/.stamp ## Check the types in the page's scripts
	$(VENV)/node/node_modules/.bin/tsc --noEmit --allowJs --checkJs --strict --target es2023 --lib es2023,dom,dom.iterable \
		--module esnext --moduleResolution bundler static/*.js
endif

format: $(VENV)/.dev-stamp ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ifdef DATA
train: $(VENV)/.train-stamp ## Train with DATA="folder ...", or show how
	$(BIN)/python -m training train --recipe xception --data $(DATA)
else
train: $(VENV)/.train-stamp
	@echo 'Expected DATA: folders of images by class, as in: make train DATA="path/to/Training"'
	@echo 'The steps, each with --help:'
	@echo '  $(BIN)/python -m training explore --data DIR ...'
	@echo '  $(BIN)/python -m training audit --data DIR ...'
	@echo '  $(BIN)/python -m training train --recipe xception --data DIR ...'
	@echo '  $(BIN)/python -m training calibrate --run runs/xception --data DIR ...'
	@echo '  $(BIN)/python -m training evaluate --model runs/xception --data TEST_DIR ...'
	@echo '  $(BIN)/python -m training publish --run runs/xception --evaluation runs/evaluation --name mine'
endif

benchmarks: $(VENV)/.bench-stamp ## Measure speed, memory and size (BENCHMARKS_ARGS="--only picture")
	$(BIN)/python -m benchmarks $(BENCHMARKS_ARGS)

screenshots: $(VENV)/.dev-stamp ## Take the screenshots of README (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots

translations: $(VENV)/.dev-stamp ## Gather new sentences for the translators, and compile the catalogues
	$(BIN)/python -m web.catalogue

words: $(VENV)/.dev-stamp ## Print how long each document and its sentences are
	$(BIN)/python -m tests.docs.words

# The largest lock comes first, so that what is served is what is tested.
lock: $(VENV)/.dev-stamp ## Write requirements.txt and requirements/*.txt from their .in files
	$(LOCK) requirements/dev.in --output-file requirements/dev.txt
	$(LOCK) --constraint requirements/dev.txt requirements/serve.in --output-file requirements.txt
	for file in $(basename $(filter-out requirements/dev.in requirements/serve.in,$(wildcard requirements/*.in))); do \
		$(LOCK) --constraint requirements/dev.txt $$file.in --output-file $$file.txt || exit 1; \
	done

sbom: $(VENV)/.dev-stamp ## List what serving needs as a CycloneDX document (SBOM=sbom.json)
	$(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible \
		--output-file $(SBOM)

kubernetes: ## Give the Kubernetes manifests the current deploy/nginx.conf
	cp deploy/nginx.conf deploy/kubernetes/base/nginx.conf

lint-docker: $(VENV)/.dev-stamp ## Check Dockerfile, compose.yaml and the other YAML files
	$(BIN)/hadolint Dockerfile
	$(BIN)/yamllint --strict .

vendor: ## Fetch NiiVue into static/vendor, and check that it is the known file
	npm pack --silent --pack-destination $(NIIVUE) @niivue/niivue@$(NIIVUE_VERSION)
	tar -xzf $(NIIVUE)/*.tgz -C $(NIIVUE) --strip-components 2 package/dist/niivue.umd.js
	rm $(NIIVUE)/*.tgz
	echo "$(NIIVUE_SHA256)  $(NIIVUE)/niivue.umd.js" | sha256sum --check

clean: ## Remove .venv and the tools' caches; runs/ stays
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp says that its requirements are installed. pip is run again only after they changed.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Expected Python 3.11 or newer. Received $$($(PYTHON) --version 2>&1). Set PYTHON=/path/to/python3."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve-stamp: requirements.txt | $(VENV)/bin/python
	@echo "Installing what serving needs: about 125 MB to download, about a minute. This is done once."
	$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.train-stamp: requirements/train.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -r requirements/train.txt
	@touch $@

$(VENV)/.bench-stamp: requirements/bench.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -r requirements/bench.txt
	@touch $@

$(VENV)/.dev-stamp: requirements/dev.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

$(VENV)/node/.stamp: requirements/javascript/package.json requirements/javascript/package-lock.json | $(VENV)/bin/python
	mkdir -p $(@D)
	cp requirements/javascript/*.json $(@D)
	cd $(@D) && npm ci --no-audit --no-fund
	@touch $@

$(VENV)/.scan-stamp: requirements/scan.txt requirements.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -r requirements/scan.txt
	@touch $@

$(VENV)/.ray-stamp: requirements/ray.txt requirements/scan.txt requirements.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -r requirements/ray.txt
	@touch $@
