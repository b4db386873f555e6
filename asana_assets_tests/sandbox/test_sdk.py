"""The official SDK as a reference client: it receives exactly the truth, in the minimum number of requests."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from asana_assets.sandbox import ALL_FIELDS, ENDPOINTS, Sandbox
from asana_assets.sandbox.api.fields import JOINED_FIELDS
from asana_assets_tests.support.sdk_customization import fetch_customization
from asana_assets_tests.support.sdk_resourcing import fetch_resourcing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Record = dict[str, Any]
_VOLATILE = {"download_url", "view_url"}


class SdkExtract:
    """Fetches everything a token can access through the SDK, each listing once."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._asana: Any = importlib.import_module("asana")  # untyped
        configuration = self._asana.Configuration()
        configuration.host = sandbox.url
        configuration.access_token = sandbox.token
        self._client = self._asana.ApiClient(configuration)
        self.log = sandbox.log
        self.requests: dict[tuple[str, str], int] = {}
        self.tables: dict[tuple[str, str], dict[str, Record]] = {}

    def close(self) -> None:
        self._client.pool.close()
        self._client.pool.join()
        self._client.rest_client.pool_manager.clear()

    def fetch_all(self) -> None:
        workspaces = self._list("workspaces", "", "Workspaces.get_workspaces")
        for workspace in workspaces:
            self.tables["workspaces", workspace["gid"]] = {workspace["gid"]: workspace}
            self._fetch_workspace(workspace)

    def _fetch_workspace(self, workspace: Record) -> None:
        gid = workspace["gid"]
        users = self._list("users", gid, "Users.get_users", workspace=gid)
        self._list("workspace_memberships", gid, "WorkspaceMemberships.get_workspace_memberships_for_workspace", gid)
        self._list("tags", gid, "Tags.get_tags", workspace=gid)
        self._list("webhooks", gid, "Webhooks.get_webhooks", gid)
        self._fetch_if_on_plan("project_templates", gid, "ProjectTemplates.get_project_templates", workspace=gid)
        since = {"entered_on_start_date": "1970-01-01"}
        method = "TimeTrackingEntries.get_time_tracking_entries"
        self._fetch_if_on_plan("time_tracking_entries", gid, method, workspace=gid, **since)
        if workspace["is_organization"]:
            with contextlib.suppress(self._asana.rest.ApiException):  # 403: the token is not a service account's there
                self._read_audit_log(gid)
            for team in self._list("teams", gid, "Teams.get_teams_for_workspace", gid):
                method = "TeamMemberships.get_team_memberships_for_team"
                self._list("team_memberships", gid, method, team["gid"])
        parents: list[str] = []
        for project in self._list("projects", gid, "Projects.get_projects", workspace=gid):
            self._list("sections", gid, "Sections.get_sections_for_project", project["gid"])
            self._list("status_updates", gid, "StatusUpdates.get_statuses_for_object", project["gid"])
            self._list("tasks", gid, "Tasks.get_tasks", project=project["gid"])
            parents.append(project["gid"])
            if project["project_brief"] is not None:
                parents.append(project["project_brief"]["gid"])
        self._fetch_reporting(gid)
        for user in users:
            self._list("tasks", gid, "Tasks.get_tasks", assignee=user["gid"], workspace=gid)
        work = self._fetch_subtasks(gid)
        for task in work:
            self._list("stories", gid, "Stories.get_stories_for_task", task)
        for parent in (*work, *parents):
            self._list("attachments", gid, "Attachments.get_attachments_for_object", parent)
        fetch_customization(self._list, self.tables, gid, self._asana.rest.ApiException)
        fetch_resourcing(self._list, self.tables["projects", gid], gid, self._asana.rest.ApiException)

    def _fetch_reporting(self, gid: str) -> None:
        self._fetch_if_on_plan("time_periods", gid, "TimePeriods.get_time_periods", gid)
        for portfolio in self._fetch_if_on_plan("portfolios", gid, "Portfolios.get_portfolios", gid):
            self._list("status_updates", gid, "StatusUpdates.get_statuses_for_object", portfolio["gid"])
            self._list("portfolio_items", gid, "Portfolios.get_items_for_portfolio", portfolio["gid"])
            self._list("portfolio_memberships", gid, "Memberships.get_memberships", parent=portfolio["gid"])
        for goal in self._fetch_if_on_plan("goals", gid, "Goals.get_goals", workspace=gid):
            self._list("status_updates", gid, "StatusUpdates.get_statuses_for_object", goal["gid"])
            self._list("goal_relationships", gid, "GoalRelationships.get_goal_relationships", goal["gid"])
            self._list("stories", gid, "Stories.get_stories_for_goal", goal["gid"])

    def _fetch_if_on_plan(self, *arguments: str, **query: str) -> list[Record]:
        with contextlib.suppress(self._asana.rest.ApiException):  # 402 on the free plan
            return self._list(*arguments, **query)
        return []

    def _fetch_subtasks(self, workspace_gid: str) -> list[str]:
        work = dict(self.tables.get(("tasks", workspace_gid), {}))
        pending = list(work.values())
        while pending:
            task = pending.pop()
            if task["num_subtasks"] > 0:
                for subtask in self._list("subtasks", workspace_gid, "Tasks.get_subtasks_for_task", task["gid"]):
                    if subtask["gid"] not in work:
                        work[subtask["gid"]] = subtask
                        pending.append(subtask)
        return list(work)

    def _read_audit_log(self, workspace_gid: str) -> None:
        """Read the log up to its first empty page; the SDK's own iterator never ends."""
        api, key, query = self._asana.AuditLogAPIApi(self._client), ("audit_log_events", workspace_gid), {"limit": 100}
        table = self.tables.setdefault(key, {})
        self.requests[key] = 1
        while page := (response := api.get_audit_log_events(workspace_gid, query, full_payload=True))["data"]:
            table.update((record["gid"], record) for record in page)
            query = {"limit": 100, "offset": response["next_page"]["offset"]}
            self.requests[key] += 1

    def _list(self, endpoint: str, workspace_gid: str, method: str, *path: str, **query: str) -> list[Record]:
        api, _, name = method.partition(".")
        call = getattr(getattr(self._asana, f"{api}Api")(self._client), name)
        options: Record = {**query, "limit": 100, "opt_fields": ALL_FIELDS[endpoint]}
        before = len(self.log)
        try:
            has_options = "opts" in inspect.signature(call).parameters  # or it returns every field
            found = call(*path, *([options] if has_options else []))
            records: list[Record] = [found] if isinstance(found, dict) else list(found)
        finally:
            key = endpoint, workspace_gid
            self.requests[key] = self.requests.get(key, 0) + len(self.log) - before
        if endpoint in JOINED_FIELDS:
            records = [_joined(path[0], record) for record in records]
        self.tables.setdefault(key, {}).update((record["gid"], record) for record in records)
        return records


def _joined(parent: str, record: Record) -> Record:
    """Return the row of an object that several parents can list."""
    references = {"item": _reference(record["gid"], record["resource_type"]), "parent": _reference(parent, "portfolio")}
    return {**record, "gid": f"{parent}-{record['gid']}", **references}


def _reference(gid: str, resource_type: str) -> Record:
    return {"gid": gid, "resource_type": resource_type}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def sdk_extract(sandbox: Sandbox) -> Iterator[SdkExtract]:
    sdk_extract = SdkExtract(sandbox)
    sdk_extract.fetch_all()
    yield sdk_extract
    sdk_extract.close()


def _stable(records: Iterable[Record]) -> list[Record]:
    kept = [{name: value for name, value in record.items() if name not in _VOLATILE} for record in records]
    return sorted(kept, key=lambda record: [int(part) for part in record["gid"].split("-")])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_sdk_receives_the_truth(sdk_extract: SdkExtract, sandbox: Sandbox, endpoint: str) -> None:
    gids = [workspace.gid for workspace in sandbox.organization.workspaces()]
    fetched = {gid: _stable(sdk_extract.tables.get((endpoint, gid), {}).values()) for gid in gids}
    assert fetched == {gid: sandbox.truth(endpoint, gid, ENDPOINTS) for gid in gids}
    assert any(fetched.values())


def test_fetching_each_listing_once_takes_the_minimum_number_of_requests(
    sdk_extract: SdkExtract, sandbox: Sandbox
) -> None:
    actual = Counter({key: count for key, count in sdk_extract.requests.items() if key[0] != "workspaces"})
    minimum = Counter(
        {
            (endpoint, workspace.gid): count
            for workspace in sandbox.organization.workspaces()
            for endpoint, count in sandbox.minimal_requests(workspace.gid, ENDPOINTS).items()
        }
    )
    assert +actual == +minimum
    assert sdk_extract.requests["workspaces", ""] == 1
