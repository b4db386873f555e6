"""The page about assets that read the tables: its code loads what its tables say."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from asana_assets.defs import reading
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.doc_pages import blocks, quoted, table
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import Warehouse

PAGE = "docs/downstream.md"


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse in `asana_data`, with the tables that the page uses of all workspaces."""
    with Sandbox() as asana, dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASANA_ACCESS_TOKEN", asana.token)
        warehouse = Warehouse(asana, tmp_path_factory.mktemp("project") / "asana_data", instance)
        assert warehouse.run("refresh_workspaces").success
        for gid in instance.get_dynamic_partitions("asana_workspaces"):
            assert warehouse.run("sync_workspace", gid, ["users", "projects", "tasks"]).success
        yield warehouse


@pytest.fixture
def materialize(synced: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that materializes an asset of the page and returns its value as rows."""
    monkeypatch.chdir(synced.data_dir.parent)

    def run(name: str, partition_key: str | None = None) -> list[dict[str, Any]]:
        [block] = [block for block in blocks(PAGE, "python") if f"def {name}(" in block.text]
        scope: dict[str, Any] = {}
        exec(block.text, scope)  # noqa: S102 - readers run this code, too
        host = dg.Definitions(jobs=[dg.define_asset_job("one", [name])], resources={"io_manager": dg.mem_io_manager})
        [defs] = [value for value in scope.values() if isinstance(value, dg.Definitions)]  # Dagster allows only one
        job = dg.Definitions.merge(defs, host).resolve_job_def("one")
        result = job.execute_in_process(instance=synced.instance, partition_key=partition_key)
        value = result.output_for_node(name)
        return value.to_dicts() if hasattr(value, "to_dicts") else value.to_pylist()

    return run


def test_open_projects(synced: Warehouse, materialize: Any) -> None:
    stored = [row for row in synced.rows("projects", paid(synced)) if not row["archived"]]
    expected = {(row["gid"], row["name"], row["owner_gid"]) for row in stored}
    assert {tuple(row.values()) for row in materialize("open_projects", paid(synced))} == expected


def test_task_counts(synced: Warehouse, materialize: Any) -> None:
    counts = {(row["workspace_gid"], row["completed"]): row["count_all"] for row in materialize("task_counts")}
    assert counts == Counter((row["workspace_gid"], row["completed"]) for row in synced.rows("tasks"))


def test_completed_on_day(synced: Warehouse, materialize: Any) -> None:
    days = Counter(str(row["completed_at"].date()) for row in synced.rows("tasks") if row["completed_at"])
    [(day, count)] = days.most_common(1)
    assert count < days.total()
    assert len(materialize("completed_on_day", day)) == count


def test_task_names_from_another_code_location(synced: Warehouse, materialize: Any) -> None:
    expected = sorted((row["gid"], row["name"]) for row in synced.rows("tasks"))
    assert sorted((row["gid"], row["name"]) for row in materialize("task_names")) == expected


def test_the_page_lists_every_type_and_key() -> None:
    assert [quoted(name)[0] for name, _ in table(PAGE, "annotation")] == list(reading.CONVERSIONS)
    keys = {reading.COLUMNS, reading.WORKSPACES_TO_LOAD, reading.ALLOW_MISSING}
    assert {quoted(key)[0] for key, _ in table(PAGE, "metadata")} == keys
