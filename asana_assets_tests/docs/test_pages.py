"""The pages for users, apart from their commands and their SQL: what they say of the code, and that it holds."""

import json
import os
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest
import yaml
from pyiceberg.utils.config import Config

from asana_assets.asana import endpoints
from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.asana.field_types import Column
from asana_assets.definitions import defs
from asana_assets.defs import automation
from asana_assets.defs.checks import CHECKS
from asana_assets.defs.prefetch import SyncConfig
from asana_assets.settings import Settings
from asana_assets_tests.support.doc_pages import PAGES, ROOT, Block, blocks, prose, quoted, read, table

OPERATIONS = "docs/operations.md"

every_page = pytest.mark.parametrize("page", PAGES)


def of_kind(kind: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page, kind)]


@every_page
def test_every_block_is_of_a_kind_that_a_test_takes_up(page: str) -> None:
    kinds = {"sh", "sql", "python", "yaml", "text"}
    assert {block.kind for block in blocks(page)} <= kinds
    assert all(len(block.not_run) > 10 for block in blocks(page) if block.not_run is not None)


@every_page
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", read(page)):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE) if anchor else []
        slugs = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
        assert not anchor or anchor in slugs, target


def test_the_readme_leads_to_every_page_and_stays_short() -> None:
    readme = read("README.md")
    assert all(f"({page})" in readme for page in PAGES if page != "README.md")
    assert readme.count("\n") <= 200


@every_page
def test_settings_are_those_that_the_code_location_reads(page: str) -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"(?:export |`)((?:ASANA|ICEBERG)_\w+)", read(page))) <= known


# --- what runs by itself


def test_operations_say_of_each_schedule_and_sensor_whether_it_is_on() -> None:
    repository = defs.get_repository_def()
    on = {sensor.name: sensor.default_status.value == "RUNNING" for sensor in repository.sensor_defs}
    on |= {schedule.name: schedule.default_status.value == "RUNNING" for schedule in repository.schedule_defs}
    rows = table(OPERATIONS, "name")
    assert {quoted(name)[0]: state == "on" for name, _, state in rows} == on
    assert all((quoted(name)[0] in {"daily", "frequent"}) == what.startswith("schedule: ") for name, what, _ in rows)


def test_operations_have_every_job() -> None:
    assert {job.name for job in automation.JOBS} <= set(quoted(prose(OPERATIONS)))


def test_operations_have_every_check_and_how_bad_it_is() -> None:
    severe = {check.name: check.severity for check in CHECKS}
    said = {quoted(name)[0]: what.partition(":")[0] for name, what, _ in table(OPERATIONS, "check")}
    assert said == {name: {"WARN": "warning", "ERROR": "error"}[one.value] for name, one in severe.items()}
    assert [check.name for check in CHECKS if check.blocking] == ["row_count_not_dropped"]


def test_operations_have_every_setting_of_a_run_and_its_default() -> None:
    said = {quoted(name)[0]: default for name, _, default in table(OPERATIONS, "setting of a run")}
    assert said.keys() == SyncConfig.model_fields.keys()
    for name, field in SyncConfig.model_fields.items():
        if field.default is not None:
            assert json.loads(said[name]) == field.default, name


def test_concepts_say_when_children_are_due() -> None:
    said = {
        quoted(name)[0]: (tuple(quoted(version)), float(days.split()[0]))
        for name, version, days in table("docs/concepts.md", "children")
    }
    children = [endpoint for endpoint in ENDPOINTS if endpoint.is_child]
    assert said == {one.name: (one.listings[0].version_columns, one.refresh_after_days) for one in children}
    assert all(
        listing.version_columns == one.listings[0].version_columns for one in children for listing in one.listings
    )


# --- blocks


@pytest.mark.parametrize("block", of_kind("python"), ids=str)
def test_python_is_python(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", of_kind("yaml"), ids=str)
def test_yaml_is_the_configuration_of_a_run(block: Block) -> None:
    config = yaml.safe_load(block.text)
    assert dg.validate_run_config(defs.resolve_job_def("sync_workspace"), config)


def python(page: str, words: str) -> str:
    [block] = [block for block in blocks(page, "python") if words in block.text]
    return block.text


def test_the_readmes_endpoint_is_the_catalogues_but_for_its_notes() -> None:
    scope: dict[str, Any] = dict(vars(endpoints))
    exec(python("README.md", "SECTIONS = "), scope)  # noqa: S102 # that is what the page is for
    assert scope["SECTIONS"] == replace(endpoints.SECTIONS, notes="")


def test_words_of_the_catalogue_make_the_columns_that_the_page_says() -> None:
    fields = {field: column for endpoint in ENDPOINTS for column in endpoint.columns for field in [column.field]}
    for _, written, named in table("docs/adding-an-endpoint.md", "Asana sends"):
        for call, name in zip(quoted(written), quoted(named), strict=True):
            if "…" in call:
                field = re.findall(r'"(\w+)"', call)[0]
                assert fields[field].name == name
            else:
                column = eval(call, dict(vars(endpoints)))  # noqa: S307 # that is what the page is for
                assert isinstance(column, Column)
                assert column.name == name
                assert column.type == fields[column.field].type


def test_the_readmes_catalog_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    [block] = [block for block in blocks("README.md", "sh") if "PYICEBERG_" in block.text]
    for name, value in re.findall(r"^export (\w+)=(\S+)$", block.text, flags=re.MULTILINE):
        monkeypatch.setenv(name, value)
    assert Config().get_catalog_config("asana") == {"type": "glue", "warehouse": "s3://my-bucket/asana"}


def module(words: str) -> tuple[dict[str, Any], dg.Definitions]:
    """Run a module of a user's own; give its names, and its definitions, of which Dagster accepts one."""
    scope: dict[str, Any] = {}
    exec(python(OPERATIONS, words), scope)  # noqa: S102 # that is what the page is for
    [found] = [value for value in scope.values() if isinstance(value, dg.Definitions)]
    return scope, found


@contextmanager
def webhook() -> Generator[tuple[str, list[bytes]]]:
    """Give the URL of a server, and what was posted to it."""
    posted: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its name there
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", posted
        finally:
            server.shutdown()
            thread.join()


def test_a_failed_run_is_told_to_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    scope, with_sensor = module("build_run_failure_sensor")
    with webhook() as (url, posted):
        monkeypatch.setenv("SLACK_WEBHOOK_URL", url)
        scope["notify"]("Run 1 failed.")
    assert [json.loads(body) for body in posted] == [{"text": "Run 1 failed."}]
    sensors = {one.name: one.default_status for one in with_sensor.get_repository_def().sensor_defs}
    assert sensors["run_failure_alert"] is dg.DefaultSensorStatus.RUNNING
    assert len(sensors) == len(automation.SENSORS) + 1


def test_with_another_executor_nothing_is_prefetched() -> None:
    _, changed = module("executor=")
    job = changed.resolve_job_def("sync_workspace")
    assert job.executor_def is dg.multiprocess_executor
    assert (changed.resources or {})["prefetcher"].enabled is False
    assert {one.name for one in changed.jobs or ()} == {one.name for one in defs.jobs or ()}
    assert changed.resolve_asset_graph().get_all_asset_keys() == defs.resolve_asset_graph().get_all_asset_keys()


def test_the_tests_that_a_new_endpoint_turns_red_are_there() -> None:
    page = prose("docs/adding-an-endpoint.md")
    tests = (ROOT / "asana_assets_tests").rglob("*.py")
    there = {name for path in tests for name in re.findall(r"^def (test_\w+)", path.read_text(), flags=re.MULTILINE)}
    assert {name for name in quoted(page) if name.startswith("test_") and not name.endswith(".py")} <= there
    for path in quoted(page):
        if path.startswith(("asana_assets/", "asana_assets_tests/")):
            assert (ROOT / path).exists(), path


def test_no_page_names_a_place_of_its_writer() -> None:
    home = os.path.expanduser("~")  # noqa: PTH111 # as text
    assert not [page for page in PAGES if home in read(page) or str(ROOT) in read(page)]
