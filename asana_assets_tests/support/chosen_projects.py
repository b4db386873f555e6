"""What a sync of some projects stores, derived from the sandbox's records."""

from collections.abc import Collection

from asana_assets.sandbox import STANDARD
from asana_assets_tests.support.sync_harness import Row, Warehouse, assert_rows_match, expected_row


def records_of_projects(warehouse: Warehouse, workspace_gid: str, chosen: Collection[str]) -> dict[str, list[Row]]:
    """Return the records of each endpoint if only these projects are synced."""
    records: dict[str, list[Row]] = {name: warehouse.asana.truth(name, workspace_gid) for name in STANDARD}
    records["projects"] = [one for one in records["projects"] if one["gid"] in chosen]
    briefs = {one["project_brief"]["gid"] for one in records["projects"] if one["project_brief"]}
    records["sections"] = [one for one in records["sections"] if one["project"]["gid"] in chosen]
    records["status_updates"] = [one for one in records["status_updates"] if one["parent"]["gid"] in chosen]
    records["tasks"] = [
        one
        for one in records["tasks"]
        if not one["projects"] or any(project["gid"] in chosen for project in one["projects"])
    ]
    tasks = {one["gid"] for one in records["tasks"]}
    subtasks: dict[str, Row] = {}
    while new := [
        one
        for one in records["subtasks"]
        if one["gid"] not in subtasks and (one["parent"]["gid"] in tasks or one["parent"]["gid"] in subtasks)
    ]:
        subtasks |= {one["gid"]: one for one in new}
    records["subtasks"] = list(subtasks.values())
    work = tasks | subtasks.keys()
    records["stories"] = [one for one in records["stories"] if one["target"]["gid"] in work]
    owners = {*work, *chosen, *briefs}
    records["attachments"] = [one for one in records["attachments"] if one["parent"]["gid"] in owners]
    return records


def assert_only_projects(warehouse: Warehouse, workspace_gid: str, chosen: Collection[str]) -> None:
    """Assert that a workspace's rows are exactly those of these projects and what belongs to none."""
    for name, records in records_of_projects(warehouse, workspace_gid, chosen).items():
        table = warehouse.table(name)
        rows = [row for row in table.to_pylist() if row["workspace_gid"] == workspace_gid]
        assert_rows_match(name, rows, [expected_row(record, table.schema) for record in records])
