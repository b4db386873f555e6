"""Changes to the sandbox between two syncs, in its paid organization."""

from asana_assets_tests.support.sync_harness import Warehouse


def paid(warehouse: Warehouse) -> str:
    """Return the gid of the paid organization."""
    return warehouse.asana.organization.edge_cases["paid_organization"]


def name_of(warehouse: Warehouse, gid: str = "") -> str:
    """Return a workspace's name, by default that of the paid organization."""
    gid = gid or paid(warehouse)
    return next(str(record["name"]) for record in warehouse.asana.truth("workspaces") if record["gid"] == gid)


def mutate(warehouse: Warehouse) -> None:
    """Apply a change of every kind that is also found without task search, as on a free plan."""
    organization = warehouse.asana.organization
    tasks = [row for row in warehouse.rows("tasks", paid(warehouse)) if row["project_gids"] and not row["parent_gid"]]
    doomed = organization.edge_cases["task_in_two_projects"]
    childless = [row["gid"] for row in tasks if not row["num_subtasks"] and row["gid"] != doomed]
    organization.rename_task(childless[0], "Renamed")
    organization.complete_task(childless[1])
    project = tasks[0]["project_gids"][0]
    organization.move_task(tasks[0]["gid"], organization.sections[project][-1].gid, first=True)
    organization.add_comment(childless[2], "A comment")
    organization.add_subtask(childless[3], "A first subtask")
    organization.add_attachment(childless[4], "plan.pdf")
    organization.delete_task(doomed)
    organization.archive_project(organization.edge_cases["main_project"])
    organization.post_status(organization.edge_cases["main_project"], "On track")
    organization.share_project(organization.edge_cases["unshared_project"])
    users = [row["gid"] for row in warehouse.rows("users", paid(warehouse))]
    organization.remove_user(paid(warehouse), users[-1])


def mutate_hidden(warehouse: Warehouse) -> None:
    """Change what is found by task search only: inside subtasks, and tasks without a project."""
    organization = warehouse.asana.organization
    organization.rename_task(organization.edge_cases["level_3"], "Renamed at level 3")
    organization.rename_task(organization.edge_cases["assigned_subtask"], "Renamed, assigned")
    organization.add_comment(organization.edge_cases["level_5"], "A comment at level 5")
    organization.add_attachment(organization.edge_cases["level_1"], "level_1.pdf")
    organization.add_subtask(organization.edge_cases["level_5"], "A subtask at level 6")
    childless = next(row for row in warehouse.rows("subtasks", paid(warehouse)) if not row["num_subtasks"])
    organization.add_subtask(childless["gid"], "A first subtask of a subtask")
    organization.rename_task(organization.edge_cases["task_without_project"], "Renamed, without a project")
