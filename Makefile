# Everything that a newcomer types. Needs Python 3.11 to 3.13 and make.
PYTHON ?=
BIN = .venv/bin

.DEFAULT_GOAL = help
.PHONY: help run test lint format bench lock vendor screenshots

help: ## show this list
	@echo 'ProgRock, the progress broker for long-running jobs.'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile
	@echo 'Variables: PORT=8000 HOST=127.0.0.1 PROGROCK_DATA=./var, as in: make run PORT=8010'
	@echo 'PYTHON=/path/to/python3.12 chooses the Python of .venv when it is made.'

run: .venv/run.stamp ## start everything on this machine; Ctrl-C ends it
	@exec $(BIN)/python -m progrock.launcher --end-with-parent

test: lint ## check style and types, and run all tests
	$(BIN)/pytest -n 2 --dist loadfile
	TEST_DATABASE=postgresql $(BIN)/pytest -n 2 tests/contracts

TSC ?= $(shell command -v tsc)

lint: .venv/dev.stamp ## check style, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	SECRET_KEY=only-read-by-the-type-checker $(BIN)/mypy
	$(BIN)/lint-imports
ifneq ($(TSC),)
	$(TSC) --project jsconfig.json
else ifeq ($(CI),true)
	@echo 'There is no tsc to check the JavaScript with: apt install node-typescript' >&2; exit 1
else
	@echo 'The JavaScript was not checked: there is no tsc (apt install node-typescript).'
endif

format: .venv/dev.stamp ## bring the code into its one style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/dev.stamp ## measure on this machine
	$(BIN)/python -m bench

COMPILE = $(BIN)/uv pip compile pyproject.toml --extra server --extra embedded --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --quiet --no-header

lock: .venv/dev.stamp ## pin the newest versions that pyproject.toml allows
	$(COMPILE) --upgrade -o requirements.lock
	$(COMPILE) --upgrade --group dev -c requirements.lock -o requirements-dev.lock

screenshots: .venv/dev.stamp ## shoot every page with jobs of all kinds, into var/screenshots
	$(BIN)/python scripts/screenshots.py

vendor: ## make the vendored JavaScript libraries anew; needs npm
	scripts/vendor.sh

# --- the .venv: made on first use, made again when its Python is gone or too old --------------
INSTALL = @sh progrock/launcher/install.sh '$(PYTHON)'

ifneq ($(shell $(BIN)/python -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null),True)
.PHONY: .venv/run.stamp .venv/dev.stamp
endif

.venv/run.stamp: requirements.lock
	$(INSTALL) requirements.lock
	@touch $@

# The dev lock holds all of the other one as well.
.venv/dev.stamp: requirements-dev.lock requirements.lock
	$(INSTALL) requirements-dev.lock
	@touch .venv/run.stamp $@
