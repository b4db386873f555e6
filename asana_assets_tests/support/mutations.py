"""Changes made to the sandbox between two syncs."""

from asana_assets_tests.support.sync_harness import Warehouse


def paid(warehouse: Warehouse) -> str:
    return warehouse.asana.organization.edge_cases["paid_organization"]


def mutate(warehouse: Warehouse) -> None:
    """Change one of everything that shows on a free plan, too, in the paid organization."""
    organization = warehouse.asana.organization
    tasks = [row for row in warehouse.rows("tasks", paid(warehouse)) if row["project_gids"] and not row["parent_gid"]]
    doomed = organization.edge_cases["task_in_two_projects"]
    plain = [row["gid"] for row in tasks if not row["num_subtasks"] and row["gid"] != doomed]
    organization.rename_task(plain[0], "Renamed")
    organization.complete_task(plain[1])
    project = tasks[0]["project_gids"][0]
    organization.move_task(tasks[0]["gid"], organization.sections[project][-1].gid, first=True)
    organization.add_comment(plain[2], "A word")
    organization.add_subtask(plain[3], "A first subtask")
    organization.add_attachment(plain[4], "plan.pdf")
    organization.delete_task(doomed)
    organization.archive_project(organization.edge_cases["main_project"])
    organization.post_status(organization.edge_cases["main_project"], "Well")
    organization.share_project(organization.edge_cases["unshared_project"])
    users = [row["gid"] for row in warehouse.rows("users", paid(warehouse))]
    organization.remove_user(paid(warehouse), users[-1])


def mutate_out_of_sight(warehouse: Warehouse) -> None:
    """Change what shows in no listing: inside subtasks, and tasks of no project."""
    organization = warehouse.asana.organization
    organization.rename_task(organization.edge_cases["level_3"], "Renamed, deep down")
    organization.rename_task(organization.edge_cases["assigned_subtask"], "Renamed, assigned")
    organization.add_comment(organization.edge_cases["level_5"], "A word, deep down")
    organization.add_attachment(organization.edge_cases["level_1"], "deep.pdf")
    organization.add_subtask(organization.edge_cases["level_5"], "Deeper still")
    childless = next(row for row in warehouse.rows("subtasks", paid(warehouse)) if not row["num_subtasks"])
    organization.add_subtask(childless["gid"], "A first subtask of a subtask")
    organization.rename_task(organization.edge_cases["task_without_project"], "Renamed, of no project")
