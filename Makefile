# Everything this project does, for people and for CI alike.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH ?= torch==2.13.0
CLIENTS := $(VENV)/clients
NPM_LANGSMITH := langsmith@0.12.0

.PHONY: run test lint types bench soak evals clients lock clean help
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

run: $(VENV)/.installed $(VENV)/.models  ## install, ingest docs/, serve the chat and print where to click
	@$(BIN)/parley ingest docs
	@$(BIN)/parley run

test: $(VENV)/.dev $(VENV)/.models clients lint types  ## the whole suite, browser tests included
	$(BIN)/python -m pytest -m "not model and not browser and not ray" -n 3 --dist loadfile
	$(BIN)/python -m pytest -m "model or browser or ray" -n 2 --dist loadfile

lint: $(VENV)/.dev  ## style and the layer contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev  ## static types
	$(BIN)/mypy

bench: $(VENV)/.dev $(VENV)/.models  ## speed and memory, as ratios to the raw engines
	$(BIN)/python -m evals.bench

soak: $(VENV)/.dev $(VENV)/.models  ## half an hour of load, hang-ups and kills: memory, threads, stuck turns
	$(BIN)/python -m evals.soak

evals: $(VENV)/.dev $(VENV)/.models  ## quality of answers on the sample corpus
	$(BIN)/parley evals answers --questions evals/questions.jsonl --corpus docs

clients: $(CLIENTS)/langsmith-0.3/.installed $(CLIENTS)/langsmith-0.7/.installed $(CLIENTS)/npm/.installed  ## other LangSmith clients, for tests

$(CLIENTS)/langsmith-%/.installed: tests/clients/python-%.txt $(VENV)/.installed
	$(PIP) install -q --no-deps --require-hashes --upgrade --target $(@D) -r $<
	@touch $@

# Without npm the tests of the JavaScript client are skipped, and say so.
$(CLIENTS)/npm/.installed: Makefile
	@if command -v npm >/dev/null; then npm install --silent --prefix $(@D) --no-package-lock --no-audit --no-fund --save-exact $(NPM_LANGSMITH); fi
	@mkdir -p $(@D) && touch $@

lock:  ## choose new pinned versions (needs uv)
	uv pip compile -q --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-package torch pyproject.toml -o requirements.lock
	uv pip compile -q --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-package torch --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove the environment and everything Parley wrote
	rm -rf $(VENV) .parley .files

# torch is installed first and by name: which wheel is right (CPU, CUDA) is the machine's matter.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Parley (llama.cpp is compiled for this machine: five to ten minutes the first time)"
	$(PIP) install -q --upgrade pip==26.3
	$(PIP) install -q $(TORCH)
	$(PIP) install -q --no-deps --require-hashes -r requirements.lock
	$(PIP) install -q --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	$(PIP) install -q --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.models: $(VENV)/.installed app/models.py
	@$(BIN)/parley models verify
	@touch $@
