# relaydesk: `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
STAMP := $(VENV)/.stamp
DEV_STAMP := $(VENV)/.dev-stamp

.DEFAULT_GOAL := help
.PHONY: help run test test-only lint format bench bench-mail bench-slack bench-time bench-pages bench-quarter lock clean .venv

help: ## list the targets
	@grep -hE '^[a-z.-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv: $(STAMP) ## make the environment with the locked dependencies (and .venv/bin/relaydesk)

$(STAMP): requirements.txt pyproject.toml
	@scripts/venv $(PYTHON) $(VENV) requirements.txt
	@touch $@

$(DEV_STAMP): $(STAMP) requirements-dev.txt
	@$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements-dev.txt
	@touch $@

run: $(STAMP) ## start the whole service with the local sandbox; Ctrl-C stops it
	@exec $(BIN)/relaydesk sandbox

test: $(DEV_STAMP) ## lint, types and the whole suite (installs what the tests need where it's missing)
	@scripts/test-needs
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n $${PYTEST_WORKERS:-3} --dist worksteal

test-only: $(DEV_STAMP) ## the suite without lint
	@$(BIN)/python -m pytest -n $${PYTEST_WORKERS:-3} --dist worksteal

lint: $(DEV_STAMP) ## ruff, mypy strict, import-linter, sizes
	@$(BIN)/ruff format --check --quiet . || { echo 'run: make format'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > $(VENV)/imports.log 2>&1 || { cat $(VENV)/imports.log; exit 1; }
	@$(BIN)/python scripts/sizes.py

format: $(DEV_STAMP) ## let ruff format and mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: $(DEV_STAMP) ## print the figures that the docs name
	@scripts/test-needs
	@$(BIN)/python -m bench

bench-slack: $(DEV_STAMP) ## soak Slack: fifty people, a bad wire, three seeds (SEEDS="4 5", ACTS=500)
	@scripts/test-needs
	@$(BIN)/python -m bench slack

bench-mail: $(DEV_STAMP) ## print the figures of reading mail (corpus, crafted mails, memory, fuzz)
	@scripts/test-needs
	@status=0; for part in mail_corpus mail_reading mail_memory "fuzz --seconds $${FUZZ_SECONDS:-60}"; do \
		echo "== $$part"; $(BIN)/python -m bench.$$part || status=1; done; exit $$status

bench-time: $(DEV_STAMP) ## print what figures cost, and what 100,000 due reminders hold up
	@scripts/test-needs
	@$(BIN)/python -m bench time-figures time-due

bench-pages: $(DEV_STAMP) ## print the server time and size of each page, and of searching, at a million tickets
	@scripts/test-needs
	@$(BIN)/python -m bench pages search

bench-quarter: $(DEV_STAMP) ## live through a quarter of 20,000 tickets (TICKETS=1500, QUARTER="autumn spring", STORES="sqlite mariadb")
	@scripts/test-needs
	@$(BIN)/python -m bench quarter

lock: $(STAMP) ## resolve the dependencies again (needs uv on PATH)
	@uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --group build -o requirements.txt pyproject.toml
	@uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 -c requirements.txt --group dev -o requirements-dev.txt pyproject.toml

clean: ## remove the environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
