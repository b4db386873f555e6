"""Search for changed records, against the sandbox."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from asana_assets.asana.client import Client, RequestStats
from asana_assets.asana.model import Listing
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.sandbox import SCALES, Sandbox
from asana_assets.sandbox import ReceivedRequest as SandboxRequest
from asana_assets.sync.change_search import ChangeSearch
from asana_assets_tests.support.fetching import open_client

LISTING = Listing(path="/workspaces/{workspace}/tasks/search")


@pytest.fixture
def asana() -> Iterator[Sandbox]:
    with Sandbox(replace(SCALES["tiny"], tasks_without_project=0), search_per_minute=None) as sandbox:
        yield sandbox


def search_gids(asana: Sandbox, workspace: str, last_sync_started_at: dt.datetime | None) -> list[str] | None:
    client = Client(transport=Transport(base_url=asana.url, token=asana.token), throttle=Throttle(ceiling=1000))
    pages = ChangeSearch(client, interval_seconds=0).changed_since(
        LISTING,
        workspace,
        last_sync_started_at,
        opt_fields="created_at,modified_at",
        stats=RequestStats(),
    )
    if pages is None:
        return None
    return [record["gid"] for page in pages for record in msgspec.json.decode(page.body)["data"]]


def test_more_changes_than_fit_a_page_are_all_found_in_few_requests(asana: Sandbox) -> None:
    organization = asana.organization
    workspace = organization.edge_cases["paid_organization"]
    project = organization.add_project(workspace, "Many")
    since = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    tasks = [organization.add_task(project, f"Task {number}") for number in range(250)]
    before = len(asana.log)
    gids = search_gids(asana, workspace, since - dt.timedelta(seconds=1))
    assert gids is not None
    assert set(tasks) <= set(gids)
    assert len(asana.log) - before <= 4


def test_search_on_a_plan_without_it_is_requested_once(asana: Sandbox) -> None:
    client = Client(transport=Transport(base_url=asana.url, token=asana.token), throttle=Throttle(ceiling=1000))
    search = ChangeSearch(client)
    workspace = asana.organization.edge_cases["free_organization"]
    now = dt.datetime.now(dt.UTC)
    for _ in range(2):
        assert search.changed_since(LISTING, workspace, now, opt_fields="", stats=RequestStats()) is None
    assert len(asana.log) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_a_rejected_search_is_logged_and_not_available(
    asana: Sandbox, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    asana.add_fault("/workspaces/{gid}/tasks/search", status, message="No.")
    assert search_gids(asana, asana.organization.edge_cases["paid_organization"], dt.datetime.now(dt.UTC)) == []
    assert "picked up by age" in caplog.text


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_search_that_is_refused_in_one_workspace_does_not_concern_another(asana: Sandbox, status: int) -> None:
    refused, other = (asana.organization.edge_cases[name] for name in ("paid_organization", "free_organization"))
    asana.organization.paid_workspaces.add(other)
    asana.add_fault(f"/workspaces/{refused}/tasks/search", status)
    client = Client(transport=Transport(base_url=asana.url, token=asana.token), throttle=Throttle(ceiling=1000))
    search = ChangeSearch(client, interval_seconds=0)
    now = dt.datetime.now(dt.UTC)
    opt_fields = "created_at,modified_at"
    for _ in range(2):
        for workspace, is_refused in ((refused, True), (other, False)):
            pages = search.changed_since(LISTING, workspace, now, opt_fields=opt_fields, stats=RequestStats())
            assert pages is not None
            assert (str(status) in pages.failure, pages.complete) == (is_refused, False)
    assert [entry.path.split("/")[2] for entry in asana.log] == [refused, other, other]


def test_a_search_that_fails_is_logged_and_repeated_by_the_next_sync(
    asana: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = asana.organization.edge_cases["paid_organization"]
    fault = asana.add_fault("/workspaces/{gid}/tasks/search", 503)
    search = ChangeSearch(open_client(asana), interval_seconds=0)
    now = dt.datetime.now(dt.UTC)
    opt_fields = "created_at,modified_at"
    failed = search.changed_since(LISTING, workspace, now, opt_fields=opt_fields, stats=RequestStats())
    assert failed is not None
    assert (list(failed), failed.complete) == ([], False)
    assert "503" in failed.failure
    assert "Search failed" in caplog.text
    fault.cancel()
    pages = search.changed_since(LISTING, workspace, now, opt_fields=opt_fields, stats=RequestStats())
    assert pages is not None
    assert list(pages)
    assert (pages.complete, pages.failure) == (True, "")


@pytest.mark.parametrize("status", [400, 403, 503])
def test_a_search_that_fails_on_a_later_page_is_incomplete(
    asana: Sandbox, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    organization = asana.organization
    workspace = organization.edge_cases["paid_organization"]
    project = organization.add_project(workspace, "Many")
    for number in range(120):
        organization.add_task(project, f"Task {number}")
    asana.add_fault("/workspaces/{gid}/tasks/search", status, skip=1)
    search = ChangeSearch(open_client(asana), interval_seconds=0)
    pages = search.changed_since(
        LISTING, workspace, dt.datetime.now(dt.UTC), opt_fields="created_at,modified_at", stats=RequestStats()
    )
    assert pages is not None
    assert sum(page.count for page in pages) == 100
    assert not pages.complete
    assert str(status) in pages.failure
    assert "Search failed" in caplog.text


def test_nothing_is_searched_before_the_first_sync(asana: Sandbox) -> None:
    assert search_gids(asana, asana.organization.edge_cases["paid_organization"], None) is None
    assert len(asana.log) == 0


def test_changes_before_the_overlap_are_not_found_again(asana: Sandbox) -> None:
    workspace = asana.organization.edge_cases["paid_organization"]
    assert search_gids(asana, workspace, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=9)) == []


def test_more_tasks_modified_at_one_instant_than_fit_a_page_are_all_found(asana: Sandbox) -> None:
    organization = asana.organization
    workspace = organization.edge_cases["paid_organization"]
    project = organization.add_project(workspace, "Bulk edit")
    tasks = [organization.add_task(project, f"Task {number}") for number in range(130)]
    instant = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for gid in tasks:
        organization.get(gid, "task").fields["modified_at"] = instant
    organization.mark_changed()
    gids = search_gids(asana, workspace, dt.datetime.now(dt.UTC))
    assert gids is not None
    assert set(tasks) <= set(gids)


@pytest.mark.slow
def test_a_search_whose_large_pages_fail_misses_nothing(asana: Sandbox) -> None:
    organization = asana.organization
    workspace = organization.edge_cases["paid_organization"]
    project = organization.add_project(workspace, "Many")
    tasks = [organization.add_task(project, f"Task {number}") for number in range(120)]

    def is_too_large(request: SandboxRequest) -> bool:
        return int(request.query["limit"]) > 50

    asana.add_fault(is_too_large, 504)
    gids = search_gids(asana, workspace, dt.datetime.now(dt.UTC))
    assert gids is not None
    assert set(tasks) <= set(gids)
