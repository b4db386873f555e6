.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# As pip does: a company has certificates of its own.
export UV_SYSTEM_CERTS ?= true

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

demo: .venv/installed ## sync an Asana sandbox into Iceberg tables under ./asana_data/sandbox
	@ASANA_DATA_DIR=$${ASANA_DATA_DIR:-asana_data/sandbox} \
		$(BIN)/python -m asana_assets.sandbox --truth -- $(BIN)/asana-assets sync

dev: export DAGSTER_HOME ?= $(CURDIR)/dagster_home
dev: .venv/installed ## the Dagster UI at http://127.0.0.1:3000; with the sandbox when no token is set
	@mkdir -p "$$DAGSTER_HOME" && cp -n dagster.yaml "$$DAGSTER_HOME"
	@if [ -n "$$ASANA_ACCESS_TOKEN$$ASANA_TOKEN_SECRET_ID" ] || grep -Eqs '^ASANA_(ACCESS_TOKEN|TOKEN_SECRET_ID)=.' .env; then \
		exec $(BIN)/dagster dev; \
	else \
		echo "No token is set (ASANA_ACCESS_TOKEN, or asana-assets connect), so this is the sandbox."; \
		export ASANA_DATA_DIR=$${ASANA_DATA_DIR:-asana_data/sandbox}; \
		exec $(BIN)/python -m asana_assets.sandbox -- $(BIN)/dagster dev; \
	fi

test: .venv/installed ## the gate: lint, types, architecture, definitions, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate
	$(BIN)/python -m pytest

test-slow: .venv/installed ## tests of minutes: syncs that are killed and rivals
	$(BIN)/python -m pytest -m slow --timeout=600

test-destinations: .venv/installed ## whole syncs into PostgreSQL, Glue, an Iceberg REST catalog, Horizon's stand-in
	$(BIN)/python -m pytest -m destinations --timeout=900

test-distributed: .venv/installed ## two workers, PostgreSQL, Redis, an Iceberg REST catalog: one worker is killed
	$(BIN)/python -m pytest -m distributed --numprocesses=0 --timeout=900

test-browser: .venv/installed ## the UI in Debian's Chromium: what the README promises of it, by clicking
	$(BIN)/python -m pytest -m browser --numprocesses=0 --timeout=900

screenshots: export SCREENSHOTS := docs/images
screenshots: test-browser ## take the pictures in docs/images anew

# Newer than what it was made from, or it is made again.
.venv/installed: requirements.lock pyproject.toml setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

lock: .venv/installed ## pin the newest versions that the ranges in pyproject.toml allow
	$(BIN)/uv pip compile --quiet --upgrade --extra dev --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --output-file requirements.lock pyproject.toml

.PHONY: help demo dev test test-slow test-destinations test-distributed test-browser screenshots lock
