"""A column whose values Asana no longer returns: the rows follow, and the check `columns_still_filled` names it."""

from typing import Any

import pytest

from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

CHECK = "columns_still_filled"
TASKS = ("/tasks?project={gid}", "/tasks?assignee={gid}")
SUBTASKS = "/tasks/{gid}/subtasks"
STORIES = "/tasks/{gid}/stories"


def sync(warehouse: Warehouse, *assets: str, **config: object) -> dict[str, str]:
    """Sync these assets; return the messages of the check by asset. No other check fails."""
    result = warehouse.run("sync_workspace", paid(warehouse), assets, **config)
    assert result.success, failures(result)
    failed = failed_checks(result)
    assert {check for _, check in failed} <= {CHECK}
    return {asset: message for (asset, _), message in failed.items()}


def synced(make_warehouse: MakeWarehouse, *assets: str, scale: str = "demo") -> Warehouse:
    warehouse = make_warehouse(scale=scale)
    assert warehouse.run("refresh_workspaces").success
    assert sync(warehouse, *assets) == {}
    return warehouse


def count_filled(warehouse: Warehouse, asset: str, column: str) -> int:
    return sum(bool(row[column]) for row in warehouse.rows(asset, paid(warehouse)))


@pytest.mark.slow
def test_a_column_of_all_fetched_rows_that_goes_empty_is_named_until_its_values_return(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = synced(make_warehouse, "projects", "users", "tasks", scale="tiny")
    filled = count_filled(warehouse, "tasks", "html_notes")
    faults = [warehouse.asana.add_fault(match, "missing_field", field="html_notes") for match in TASKS]
    for _ in range(2):
        message = sync(warehouse, "tasks", full_refresh=True)["tasks"]
        assert f"that had some: html_notes ({filled} rows had a value until " in message
        assert count_filled(warehouse, "tasks", "html_notes") == 0
    for fault in faults:
        fault.cancel()
    assert sync(warehouse, "tasks", full_refresh=True) == {}
    assert count_filled(warehouse, "tasks", "html_notes") == filled


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["missing_field", "replaced_field"])
@pytest.mark.parametrize(
    ("asset", "matches", "fields"),
    [
        pytest.param("tasks", TASKS, ("custom_fields", "custom_fields"), id="list of structs"),
        pytest.param("tasks", TASKS, ("custom_fields.display_value", "custom_fields.display_value"), id="nested field"),
        pytest.param("tasks", TASKS, ("created_by", "created_by_gid"), id="reference"),
        pytest.param("tasks", TASKS, ("completed_at", "completed_at"), id="instant in a third of the rows"),
        pytest.param("subtasks", (SUBTASKS,), ("followers", "follower_gids"), id="list of gids of children"),
        pytest.param("stories", (STORIES,), ("text", "text"), id="text of children"),
        pytest.param("sections", ("/projects/{gid}/sections",), ("created_at", "created_at"), id="instant"),
    ],
)
def test_a_column_of_any_type_that_goes_empty_is_named_alone(
    make_warehouse: MakeWarehouse,
    asset: str,
    matches: tuple[str, ...],
    fields: tuple[str, str],
    kind: Any,
) -> None:
    field, column = fields
    chain = ["projects", "users", "tasks", "subtasks"]
    warehouse = synced(make_warehouse, *dict.fromkeys([*chain, asset]))
    for match in matches:
        warehouse.asana.add_fault(match, kind, field=field)
    [(failed, message)] = sync(warehouse, asset, full_refresh=True).items()
    assert failed == asset
    assert message.count(" rows had a value until ") == 1
    assert f"that had some: {column} (" in message


@pytest.mark.slow
def test_an_empty_list_of_custom_fields_in_every_record_is_noticed_like_a_missing_one(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = synced(make_warehouse, "projects", "users", "tasks")
    for match in TASKS:
        warehouse.asana.add_fault(match, "replaced_field", field="custom_fields", value=[])
    assert "that had some: custom_fields (" in sync(warehouse, "tasks")["tasks"]


@pytest.mark.slow
def test_children_of_few_changed_parents_suffice_although_most_stored_rows_have_values(
    make_warehouse: MakeWarehouse,
) -> None:
    chain = ["projects", "users", "tasks", "subtasks", "stories"]
    warehouse = synced(make_warehouse, *chain)
    texts = count_filled(warehouse, "stories", "html_text")
    tasks = {row["gid"] for row in warehouse.rows("tasks", paid(warehouse))}
    commented = {row["parent_gid"] for row in warehouse.rows("stories", paid(warehouse))} & tasks
    for gid in sorted(commented)[:10]:
        warehouse.asana.organization.add_comment(gid, "A comment")
    fault = warehouse.asana.add_fault(STORIES, "missing_field", field="html_text")
    assert "that had some: html_text (" in sync(warehouse, *chain)["stories"]
    assert count_filled(warehouse, "stories", "html_text") > texts / 2
    assert "that had some: html_text (" in sync(warehouse, *chain)["stories"]  # which fetches nothing
    fault.cancel()
    assert sync(warehouse, "stories", full_refresh=True) == {}


@pytest.mark.slow
def test_an_accepted_column_is_not_reported_until_it_loses_values_again(make_warehouse: MakeWarehouse) -> None:
    warehouse = synced(make_warehouse, "projects", "users", "tasks")
    faults = [warehouse.asana.add_fault(match, "missing_field", field="due_on") for match in TASKS]
    assert sync(warehouse, "tasks").keys() == {"tasks"}
    assert sync(warehouse, "tasks", accept_empty_columns=True) == {}
    assert sync(warehouse, "tasks") == {}
    for fault in faults:
        fault.cancel()
    assert sync(warehouse, "tasks") == {}
    for match in TASKS:
        warehouse.asana.add_fault(match, "missing_field", field="due_on")
    assert sync(warehouse, "tasks").keys() == {"tasks"}


# --- no warning


@pytest.mark.slow
def test_a_column_that_never_had_values_is_not_reported(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(scale="demo")
    assert warehouse.run("refresh_workspaces").success
    for match in TASKS:
        warehouse.asana.add_fault(match, "missing_field", field="custom_fields")
    for _ in range(2):
        assert sync(warehouse, "projects", "users", "tasks") == {}


@pytest.mark.slow
def test_a_column_with_few_values_is_not_reported(make_warehouse: MakeWarehouse) -> None:
    warehouse = synced(make_warehouse, "users")
    assert 0 < count_filled(warehouse, "users", "email") < 20
    warehouse.asana.add_fault("/users", "missing_field", field="email")
    assert sync(warehouse, "users") == {}
    assert count_filled(warehouse, "users", "email") == 0


@pytest.mark.slow
def test_deleted_rows_and_new_ones_without_values_are_not_reported(make_warehouse: MakeWarehouse) -> None:
    """No stored row has the value any more, but none that is left has lost it."""
    warehouse = synced(make_warehouse, "projects", "users", "tasks")
    organization = warehouse.asana.organization
    rows = warehouse.rows("tasks", paid(warehouse))
    with_fields = [row["gid"] for row in rows if row["custom_fields"]]
    project = organization.add_project(paid(warehouse), "New")
    for gid in with_fields:
        organization.delete_task(gid)
        organization.add_task(project, "Without fields")
    assert sync(warehouse, "projects", "users", "tasks", full_refresh=True) == {}
    assert len(with_fields) >= 80
    assert count_filled(warehouse, "tasks", "custom_fields") == 0


@pytest.mark.slow
def test_values_that_were_removed_from_the_children_of_few_parents_are_not_reported(
    make_warehouse: MakeWarehouse,
) -> None:
    chain = ["projects", "users", "tasks", "subtasks"]
    warehouse = make_warehouse(scale="demo")
    assert warehouse.run("refresh_workspaces").success
    organization = warehouse.asana.organization
    parent = organization.edge_cases["task_in_two_projects"]
    children = [organization.get(organization.add_subtask(parent, "A child"), "task") for _ in range(30)]
    for child in children:
        child.fields["due_on"] = "2026-05-09"
    organization.mark_changed()
    assert sync(warehouse, *chain) == {}
    before = count_filled(warehouse, "subtasks", "due_on")
    for child in children:
        child.fields["due_on"] = None
    organization.rename_task(parent, "Without due dates")
    assert sync(warehouse, *chain) == {}
    assert count_filled(warehouse, "subtasks", "due_on") == before - 30


@pytest.mark.slow
def test_a_new_column_is_not_reported(make_warehouse: MakeWarehouse) -> None:
    warehouse = synced(make_warehouse, "projects", "users", "tasks")
    with warehouse.iceberg_table("tasks").update_schema() as update:
        update.delete_column("notes")
    result = warehouse.run("sync_workspace", paid(warehouse), ["tasks"])
    assert failed_checks(result).keys() == {("tasks", "schema_unchanged")}
