"""The documentation pages, except for their commands and the guide's SQL: links, tables and code match the package."""

import datetime as dt
import json
import os
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pytest
import yaml
from pyiceberg.utils.config import Config

from asana_assets.asana import endpoints
from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.asana.field_types import Column
from asana_assets.asana.model import Listing
from asana_assets.definitions import defs
from asana_assets.defs.alerts import Alert
from asana_assets.defs.checks import CHECKS
from asana_assets.defs.prefetch import SyncConfig
from asana_assets.defs.resources import LakeResource
from asana_assets.settings import Settings
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.sync_state import SyncState
from asana_assets_tests.support.doc_pages import PAGES, ROOT, Block, blocks, prose, quoted, read, table
from asana_assets_tests.support.doc_project import endpoint_scope
from asana_assets_tests.support.mail_server import run_mail_server

ADDING = "docs/adding-an-endpoint.md"
CONCEPTS = "docs/concepts.md"
EMBEDDING = "docs/embedding.md"  # has tests of its own
OPERATIONS = "docs/operations.md"

every_page = pytest.mark.parametrize("page", PAGES)


def blocks_of_kind(kind: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page, kind)]


@every_page
def test_every_block_has_a_language_that_a_test_covers(page: str) -> None:
    kinds = {"sh", "sql", "python", "yaml", "text"}
    assert {block.kind for block in blocks(page)} <= kinds
    assert all(len(block.not_run) > 10 for block in blocks(page) if block.not_run is not None)


@every_page
def test_every_link_has_a_target(page: str) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", read(page)):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE) if anchor else []
        slugs = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
        assert not anchor or anchor in slugs, target


def test_the_readme_links_to_every_page_and_stays_short() -> None:
    readme = read("README.md")
    assert all(f"({page})" in readme for page in PAGES if page != "README.md")
    assert readme.count("\n") <= 150


@every_page
def test_the_code_location_reads_every_setting_that_a_page_names(page: str) -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"(?:export |`)((?:ASANA|ICEBERG)_\w+)", read(page))) <= known


# --- tables


def test_operations_lists_every_schedule_and_sensor_and_its_default_status() -> None:
    repository = defs.get_repository_def()
    on = {sensor.name: sensor.default_status.value == "RUNNING" for sensor in repository.sensor_defs}
    on |= {schedule.name: schedule.default_status.value == "RUNNING" for schedule in repository.schedule_defs}
    rows = table(OPERATIONS, "name")
    assert {quoted(name)[0]: state == "on" for name, _, state in rows} == on
    assert all(
        (quoted(name)[0] in {"asana_daily", "asana_frequent", "asana_weekly_maintenance"})
        == what.startswith("schedule: ")
        for name, what, _ in rows
    )


def test_operations_lists_every_job() -> None:
    assert {quoted(name)[0] for name, _ in table(OPERATIONS, "job")} == {job.name for job in defs.jobs or ()}


def test_operations_lists_every_check_and_its_severity() -> None:
    documented = {quoted(name)[0]: what.partition(":")[0] for name, what, _ in table(OPERATIONS, "check")}
    names = {dg.AssetCheckSeverity.WARN: "warning", dg.AssetCheckSeverity.ERROR: "error"}
    severities = {
        check.name: "error or warning" if callable(check.severity) else names[check.severity] for check in CHECKS
    }
    assert documented == severities
    assert [check.name for check in CHECKS if check.blocking] == ["row_count_not_dropped"]


def test_operations_lists_every_config_field_and_its_default() -> None:
    documented = {quoted(name)[0]: default for name, _, default in table(OPERATIONS, "config field")}
    assert documented.keys() == SyncConfig.model_fields.keys()
    for name, field in SyncConfig.model_fields.items():
        if field.default is not None:
            assert json.loads(documented[name]) == field.default, name


def test_concepts_lists_when_the_parents_of_children_are_stale() -> None:
    documented = {
        (name, parent, tuple(quoted(version)), float(days.split()[0]))
        for names, parents, version, days in table(CONCEPTS, "children")
        for name in quoted(names)
        for parent in quoted(parents)
    }
    assert documented == {
        (
            endpoint.name,
            listing.parent.name,
            tuple(one if isinstance(one, str) else one.column for one in listing.version_columns or ()),
            endpoint.refresh_after_days,
        )
        for endpoint in ENDPOINTS
        for listing in endpoint.listings
        if listing.parent and listing.version_columns
    }


def test_the_guide_to_a_new_endpoint_lists_every_field_of_a_listing() -> None:
    documented = {name for names, _, _ in table(ADDING, "field") for name in quoted(names)}
    assert documented == {field.name for field in fields(Listing)}


# --- code blocks


@pytest.mark.parametrize("block", blocks_of_kind("python"), ids=str)
def test_python_is_python(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", [one for one in blocks_of_kind("yaml") if one.page != EMBEDDING], ids=str)
def test_yaml_is_a_valid_run_configuration(block: Block) -> None:
    config = yaml.safe_load(block.text)
    assert dg.validate_run_config(defs.resolve_job_def("asana_sync_workspace"), config)


def python_block(page: str, text: str) -> str:
    """Return the page's only Python block that contains this text."""
    [block] = [block for block in blocks(page, "python") if text in block.text]
    return block.text


def test_the_example_of_an_existing_endpoint_equals_it_except_for_its_notes() -> None:
    scope = endpoint_scope()
    exec(python_block(ADDING, "SECTIONS = "), scope)  # noqa: S102 - readers run this code, too
    assert scope["SECTIONS"] == replace(endpoints.SECTIONS, notes="")


def test_the_documented_calls_build_the_documented_columns() -> None:
    columns = {column.field: column for endpoint in ENDPOINTS for column in endpoint.columns}
    for _, calls, names in table(ADDING, "Asana sends"):
        for call, name in zip(quoted(calls), quoted(names), strict=True):
            if "…" in call:
                field = re.findall(r'"(\w+)"', call)[0]
                assert columns[field].name == name
            else:
                column = eval(call, endpoint_scope())  # noqa: S307 - readers run this code, too
                assert isinstance(column, Column)
                assert column.name == name
                assert column.type == columns[column.field].type


def test_pyiceberg_reads_the_catalog_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    [block] = [block for block in blocks("docs/destinations.md", "sh") if "TYPE=glue" in block.text]
    for name, value in re.findall(r"^export (\w+)=(\S+)$", block.text, flags=re.MULTILINE):
        monkeypatch.setenv(name, value)
    assert Config().get_catalog_config("asana") == {
        "type": "glue",
        "warehouse": "s3://my-bucket/asana",
        "client.region": "eu-central-1",
    }


def test_the_sync_state_query_counts_parents_only(tmp_path: Path) -> None:
    fetched_at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    parents = SyncState.rows(pa.array(["11", "12"]), pa.array(["a", "b"]), fetched_at)
    marker = SyncState.completed_marker(Sync(id="sync", started_at=fetched_at - dt.timedelta(hours=1)))
    lake = LakeResource(data_dir=str(tmp_path))
    lake.save_state("stories", "1", pa.concat_tables([parents, marker]), pa.array([], pa.string()))
    lake.set_dropped_from("projects", "1", 200)
    table = lake.table("sync_state")
    assert table is not None
    [query] = blocks(CONCEPTS, "sql")
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("sync_state", table.scan().to_arrow())
        [(endpoint, count, oldest_fetch)] = connection.execute(query.text).fetchall()
    assert (endpoint, count, oldest_fetch) == ("stories", 2, fetched_at)


def load_module(text: str) -> tuple[dict[str, Any], dg.Definitions]:
    """Run the block as a user's module; return its names and its only `Definitions`, as Dagster requires."""
    scope: dict[str, Any] = {}
    exec(python_block(OPERATIONS, text), scope)  # noqa: S102 - readers run this code, too
    [definitions] = [value for value in scope.values() if isinstance(value, dg.Definitions)]
    return scope, definitions


@contextmanager
def run_webhook() -> Generator[tuple[str, list[bytes]]]:
    """Run a server; yield its URL and the list of bodies posted to it."""
    posted: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", posted
        finally:
            server.shutdown()
            thread.join()


ALERT = Alert(subject="tags failed", message="It timed out.", url="http://dagster.example/runs/1")


def test_the_alert_is_posted_to_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    scope, with_sensor = load_module("build_alert_sensor(")
    with run_webhook() as (url, posted):
        monkeypatch.setenv("SLACK_WEBHOOK_URL", url)
        scope["notify"](ALERT)
    assert [json.loads(body) for body in posted] == [
        {"text": "tags failed. It timed out.\nhttp://dagster.example/runs/1"}
    ]
    sensors = {sensor.name: sensor.default_status for sensor in with_sensor.get_repository_def().sensor_defs}
    assert sensors["asana_alerts"] is dg.DefaultSensorStatus.RUNNING
    assert len(sensors) == len([*(defs.sensors or ())]) + 1


def test_the_alert_is_sent_by_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    scope: dict[str, Any] = {}
    exec(python_block(OPERATIONS, "smtplib"), scope)  # noqa: S102 - readers run this code, too
    with run_mail_server() as server:
        settings = {"MAIL_FROM": "a@example.com", "MAIL_TO": "b@example.com", "SMTP_HOST": "127.0.0.1"}
        for name, value in (settings | {"SMTP_PORT": str(server.port)}).items():
            monkeypatch.setenv(name, value)
        scope["send_mail"](ALERT)
    [message] = server.messages
    assert "Subject: tags failed" in message
    assert "It timed out.\r\nhttp://dagster.example/runs/1" in message


def test_another_executor_can_be_selected() -> None:
    _, changed = load_module("executor=")
    job = changed.resolve_job_def("asana_sync_workspace")
    assert job.executor_def is dg.multiprocess_executor
    assert {job.name for job in changed.jobs or ()} == {job.name for job in defs.jobs or ()}
    assert changed.resolve_asset_graph().get_all_asset_keys() == defs.resolve_asset_graph().get_all_asset_keys()


def test_the_tests_and_files_to_update_for_a_new_endpoint_exist() -> None:
    page = prose(ADDING)
    tests = (ROOT / "asana_assets_tests").rglob("*.py")
    existing = {name for path in tests for name in re.findall(r"^def (test_\w+)", path.read_text(), flags=re.MULTILINE)}
    assert {name for name in quoted(page) if name.startswith("test_") and not name.endswith(".py")} <= existing
    for path in quoted(page):
        if path.startswith(("asana_assets/", "asana_assets_tests/")):
            assert (ROOT / path).exists(), path


def test_no_page_contains_a_path_of_this_machine() -> None:
    home = os.path.expanduser("~")  # noqa: PTH111 - compared as text
    assert not [page for page in PAGES if home in read(page) or str(ROOT) in read(page)]
