"""Parents that could not be fetched are named in check results, with their type."""

from asana_assets.asana.column_choice import ColumnChoice, choose_columns
from asana_assets.asana.endpoints import ATTACHMENTS
from asana_assets.defs.parent_names import find_parent_names, name_parents
from asana_assets.defs.resources import LakeResource
from asana_assets_tests.support.plan_command import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, metadata


def test_tables_upstream_name_what_they_have(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", gid, ("projects",))
    assert metadata(result, "projects")["workspace_name"] == "Catnip & Co."
    project = next(row for row in warehouse.rows("projects", gid) if row["project_brief_gid"])
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    gids = {project["gid"], project["project_brief_gid"], "5"}
    name = f'project "{project["name"]}"'
    assert find_parent_names(lake, ATTACHMENTS, gid, gids, ColumnChoice()) == {
        project["gid"]: name,
        project["project_brief_gid"]: name,
    }
    hidden = choose_columns([], ["projects.name"], "the stored names are older")
    assert find_parent_names(lake, ATTACHMENTS, gid, gids, hidden) == {}


def test_only_whole_gids_are_named() -> None:
    names = {"12": 'task "Cat food"'}
    assert name_parents("no access to 12, 123 and 12. 2 rows", names) == (
        'no access to task "Cat food" (12), 123 and task "Cat food" (12). 2 rows'
    )
