.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Trust the system's certificates, as pip does: company networks have their own.
export UV_SYSTEM_CERTS ?= true

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

demo: .venv/installed ## Sync an Asana sandbox into Iceberg tables under ./asana_data/sandbox
	@ASANA_DATA_DIR=$${ASANA_DATA_DIR:-asana_data/sandbox} \
		$(BIN)/python -m asana_assets.sandbox --truth -- $(BIN)/asana-assets sync

dev: export DAGSTER_HOME ?= $(CURDIR)/dagster_home
dev: .venv/installed ## Start the Dagster UI at http://127.0.0.1:3000, with the sandbox if no token is set
	@mkdir -p "$$DAGSTER_HOME" && test -e "$$DAGSTER_HOME/dagster.yaml" || cp dagster_home/dagster.yaml "$$DAGSTER_HOME"
	@if [ -n "$$ASANA_ACCESS_TOKEN$$ASANA_TOKEN_SECRET_ID" ] || grep -Eqs '^ASANA_(ACCESS_TOKEN|TOKEN_SECRET_ID)=.' .env; then \
		exec $(BIN)/dg dev -w workspace.yaml; \
	else \
		echo "No token is set (ASANA_ACCESS_TOKEN or asana-assets connect): starting with the sandbox."; \
		export ASANA_DATA_DIR=$${ASANA_DATA_DIR:-asana_data/sandbox}; \
		exec $(BIN)/python -m asana_assets.sandbox -- $(BIN)/dg dev -w workspace.yaml; \
	fi

# deptry runs twice: only code outside of the package may import development dependencies (DEP004).
test: .venv/installed ## Check lint, format, types, architecture, dependencies and definitions, then run the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/deptry asana_assets
	$(BIN)/deptry . --ignore DEP004
	$(BIN)/dagster definitions validate
	$(BIN)/python -m pytest

test-slow: .venv/installed ## Run the tests that take minutes: killed syncs, competing syncs, the commands in the docs
	$(BIN)/python -m pytest -m slow --timeout=600

test-destinations: .venv/installed ## Run full syncs into PostgreSQL, Glue, an Iceberg REST catalog and a stand-in for Horizon
	$(BIN)/python -m pytest -m destinations --timeout=900

test-distributed: .venv/installed ## Run syncs on two workers with PostgreSQL, Redis and a REST catalog, and kill one worker
	$(BIN)/python -m pytest -m distributed --numprocesses=0 --timeout=900

test-browser: .venv/installed ## Click through the UI in Debian's Chromium and check what the docs promise
	$(BIN)/python -m pytest -m browser --numprocesses=0 --timeout=900

screenshots: export SCREENSHOTS := docs/images
screenshots: test-browser ## Retake the screenshots in docs/images

# Reinstalls when one of these files has changed since the last installation.
.venv/installed: requirements.lock pyproject.toml setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

lock: .venv/installed ## Pin the newest versions that pyproject.toml allows in requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --extra dev --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --output-file requirements.lock pyproject.toml

.PHONY: help demo dev test test-slow test-destinations test-distributed test-browser screenshots lock
