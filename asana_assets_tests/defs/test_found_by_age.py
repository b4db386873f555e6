"""What no version and no search shows is found by age, and no earlier: the gaps that docs/concepts.md states."""

import pytest

from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import Warehouse, failures

ANY_AGE = 1e-9  # days


def sync_by_age(warehouse: Warehouse, asset: str) -> None:
    """Sync an asset as if all its parents were fetched too long ago, and then everything."""
    result = warehouse.run("sync_workspace", paid(warehouse), [asset], refresh_after_days=ANY_AGE)
    assert result.success, failures(result)
    warehouse.sync()


def stored(warehouse: Warehouse, name: str) -> dict[str, dict[str, object]]:
    return {row["gid"]: row for row in warehouse.rows(name, paid(warehouse))}


@pytest.mark.slow
def test_a_silent_change_of_a_subtask_is_found_when_its_parent_is_fetched_again(warehouse: Warehouse) -> None:
    organization = warehouse.asana.organization
    subtask = organization.edge_cases["level_3"]
    tag = str(warehouse.asana.truth("tags", paid(warehouse))[0]["gid"])
    organization.tag_task(subtask, tag, touch=False)
    story = organization.stories[subtask][-1].gid
    warehouse.sync()
    assert story not in stored(warehouse, "stories")
    sync_by_age(warehouse, "subtasks")
    assert story in stored(warehouse, "stories")
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_an_edited_comment_and_a_like_are_found_by_the_age_of_stories(warehouse: Warehouse) -> None:
    organization = warehouse.asana.organization
    comments = [row for row in warehouse.rows("stories", paid(warehouse)) if row["type"] == "comment"]
    organization.edit_comment(comments[0]["gid"], "Edited")
    organization.like_comment(comments[1]["gid"])
    warehouse.sync()
    assert stored(warehouse, "stories")[comments[0]["gid"]]["text"] == comments[0]["text"]
    sync_by_age(warehouse, "stories")
    assert stored(warehouse, "stories")[comments[0]["gid"]]["text"] == "Edited"
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_an_attachment_of_a_project_is_found_if_it_modifies_the_project_and_by_age_otherwise(
    warehouse: Warehouse,
) -> None:
    organization = warehouse.asana.organization
    project = organization.edge_cases["main_project"]
    brief = organization.edge_cases["project_brief"]
    modifying = organization.add_attachment(project, "modifies.pdf")
    warehouse.sync()
    assert modifying in stored(warehouse, "attachments")
    silent = organization.add_attachment(brief, "silent.pdf")
    warehouse.sync()
    assert silent not in stored(warehouse, "attachments")
    sync_by_age(warehouse, "attachments")
    assert silent in stored(warehouse, "attachments")
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_an_older_status_update_that_was_deleted_is_found_by_age(warehouse: Warehouse) -> None:
    organization = warehouse.asana.organization
    updates = next(one for one in organization.status_updates.values() if len(one) > 1)
    current = {row["current_status_update_gid"] for row in warehouse.rows("projects")}
    older = next(update for update in updates if update.gid not in current)
    with organization.lock:
        updates.remove(older)
        organization.mark_changed()
    warehouse.sync()
    assert older.gid in stored(warehouse, "status_updates")
    sync_by_age(warehouse, "status_updates")
    assert older.gid not in stored(warehouse, "status_updates")
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_a_task_without_a_project_is_deleted_or_gets_its_first_subtask_by_the_age_of_its_assignees_listing(
    warehouse: Warehouse,
) -> None:
    organization = warehouse.asana.organization
    [user] = {
        row["assignee_gid"]
        for row in warehouse.rows("tasks")
        if row["gid"] == organization.edge_cases["task_without_project"]
    }
    tasks = [
        organization.add_task(None, name, workspace_gid=paid(warehouse), assignee_gid=user) for name in ("one", "two")
    ]
    organization.get(tasks[1], "task").fields["modified_at"] = "2026-01-01T00:00:00.000Z"  # search finds recent tasks
    organization.mark_changed()
    sync_by_age(warehouse, "tasks")
    organization.delete_task(tasks[0])
    subtask = organization.add_subtask(tasks[1], "A first subtask")
    warehouse.sync()
    assert tasks[0] in stored(warehouse, "tasks")
    assert subtask not in stored(warehouse, "subtasks")
    sync_by_age(warehouse, "tasks")
    assert tasks[0] not in stored(warehouse, "tasks")
    assert subtask in stored(warehouse, "subtasks")
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_a_new_user_is_listed_at_once_and_a_task_without_a_project_leaves_with_its_assignee(
    warehouse: Warehouse,
) -> None:
    organization = warehouse.asana.organization
    user = organization.add_user(paid(warehouse), "New")
    task = organization.add_task(None, "Of a new user", workspace_gid=paid(warehouse), assignee_gid=user)
    warehouse.sync()
    assert task in stored(warehouse, "tasks")
    organization.remove_user(paid(warehouse), user)
    warehouse.sync()
    assert task not in stored(warehouse, "tasks")
    warehouse.assert_matches_asana(paid(warehouse))
