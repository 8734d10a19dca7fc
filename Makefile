# Two commands are enough: `make demo` shows the main job, `make test` proves it. Both install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo install install-dev test test-external test-all check format bench lock clean

help:
	@echo "make demo      see an unsubscribe reach Salesforce, on a practice org"
	@echo "make test      every check and every test"
	@echo "make install   optsync into $(VENV)"
	@echo "make bench     our figures beside the floor's"

demo: install
	@$(BIN)/optsync demo

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(VENV)/.installed: requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" requirements-dev.lock
	@touch $@

check: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: check
	$(BIN)/pytest $(PYTEST_ARGS)

# The flows once more, on another server than ours: Debian's PostgreSQL, started by the tests.
test-external: install-dev
	OPTSYNC_TEST_DATABASE_URL=debian $(BIN)/pytest tests/flows $(PYTEST_ARGS)

# Other interpreters are named by path: make test-all PYTHONS="/path/to/python3.12 /path/to/python3.13"
PYTHONS ?=
test-all: test
	@sh scripts/test-all.sh $(PYTHONS)

bench: install-dev
	$(BIN)/python -m benchmarks

format: install-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs uv. The universal lock carries hashes and no addresses.
lock:
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate -p 3.11 pyproject.toml --group build -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate -p 3.11 pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
