# Two commands are enough: `make demo` shows the main job, `make test` proves it. Both install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CLIENTS := tests/conformance/clients

.PHONY: help demo install install-dev test test-clients test-external test-all check format bench lock pictures clean

help:
	@echo "make demo      see an unsubscribe reach Salesforce, on a practice org"
	@echo "make test      every check and every test"
	@echo "make test-clients   the practice org with clients that nobody here wrote"
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

$(VENV)/.installed-clients: requirements-clients.lock $(VENV)/.installed-dev
	@PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" requirements-clients.lock
	@touch $@

$(VENV)/.installed-bench: requirements-bench.lock $(VENV)/.installed-dev
	@PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)" requirements-bench.lock
	@touch $@

check: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: check
	$(BIN)/pytest --ignore=$(CLIENTS) $(PYTEST_ARGS)

# The practice org with clients that nobody here wrote; without npm, those for Node are skipped.
test-clients: $(VENV)/.installed-clients $(CLIENTS)/node_modules
	$(BIN)/pytest $(CLIENTS) $(PYTEST_ARGS)

$(CLIENTS)/node_modules: $(CLIENTS)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is not here: the clients for Node are left out" >&2; exit 0; }; \
		npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@

# The flows once more, on another server than ours: Debian's PostgreSQL, started by the tests.
test-external: install-dev
	OPTSYNC_TEST_DATABASE_URL=debian $(BIN)/pytest tests/flows $(PYTEST_ARGS)

# Other interpreters are named by path: make test-all PYTHONS="/path/to/python3.12 /path/to/python3.13"
PYTHONS ?=
test-all: test
	@sh scripts/test-all.sh $(PYTHONS)

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

format: install-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The pictures of the documentation, taken during a demo. Needs Debian's Chromium.
pictures: install-dev
	$(BIN)/python scripts/pictures.py

# Needs uv, and npm for the clients. No lock says where to download: the universal ones carry hashes, npm's integrity.
lock:
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate -p 3.11 pyproject.toml --extra events --group build -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate -p 3.11 pyproject.toml --extra events --group build --group dev -c requirements.lock -o requirements-dev.lock
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate -p 3.11 --group clients -c requirements-dev.lock -o requirements-clients.lock
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate -p 3.11 --group bench -c requirements-dev.lock -o requirements-bench.lock
	npm install --prefix $(CLIENTS) --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

clean:
	rm -rf $(VENV) $(CLIENTS)/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
