"""Which requests a fault hits, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import Fault

if TYPE_CHECKING:
    from asana_assets.sandbox import FaultKind
    from asana_assets_tests.support.sandbox_client import SandboxClient

_TASKS = "/tasks?project={gid}"


def _counts(client: SandboxClient, limit: int = 5) -> list[int]:
    return [len(page) for page in client.pages("/tasks", project=client.gid("main_project"), limit=limit)]


def _statuses(client: SandboxClient, path: str, count: int) -> list[int]:
    return [client.get(path).status_code for _ in range(count)]


def test_a_parameter_of_any_value_matches(client: SandboxClient) -> None:
    client.sandbox.add_fault("/projects?workspace={gid}", 504)
    assert client.get("/projects", workspace=client.gid("paid_organization")).status_code == 504
    assert client.records("/projects", team=client.gid("team")) == client.records(
        f"/teams/{client.gid('team')}/projects"
    )


def test_counted_per_listing_each_parent_fails_once(client: SandboxClient) -> None:
    fault = client.sandbox.add_fault("/tasks/{gid}/stories", 404, times=1, counted_per="listing")
    paths = [f"/tasks/{client.gid(name)}/stories" for name in ("my_task", "level_1")]
    assert [_statuses(client, path, 2) for path in paths] == [[404, 200]] * 2
    assert fault.hits == 2


def test_counted_per_listing_other_parameters_are_another_listing_but_other_fields_are_not(
    client: SandboxClient,
) -> None:
    client.sandbox.add_fault("/tasks", 500, times=1, counted_per="listing")
    project, other = client.gid("main_project"), client.gid("teamless_project")
    calls = [{"project": project}, {"project": other}, {"project": other, "opt_fields": "name"}]
    assert [client.get("/tasks", **call).status_code for call in calls] == [500, 500, 200]


def test_counted_per_page_each_page_fails_once_in_all_fetches(client: SandboxClient) -> None:
    fault = client.sandbox.add_fault("/tasks", 503, times=1, counted_per="page")
    project = client.gid("main_project")
    assert client.get("/tasks", project=project, limit=10).status_code == 503
    offset = client.body("/tasks", project=project, limit=10)["next_page"]["offset"]
    assert client.get("/tasks", project=project, limit=10, offset=offset).status_code == 503
    assert sum(_counts(client, 10)) == len(client.records("/tasks", project=project))
    assert fault.hits == 2


def test_a_whole_listing_is_hit_from_its_first_page_to_its_last(client: SandboxClient) -> None:
    correct = _counts(client)
    client.sandbox.add_fault(_TASKS, "empty_page", skip=1, times=1, whole_listing=True)
    assert len(correct) > 2
    assert [_counts(client) for _ in range(3)] == [correct, [0] * len(correct), correct]


def test_fetches_of_a_whole_listing_are_counted_per_listing(client: SandboxClient) -> None:
    client.sandbox.add_fault(_TASKS, "empty_listing", skip=1, times=1, counted_per="listing", whole_listing=True)
    projects = [client.gid("main_project"), client.gid("teamless_project")] * 3
    assert [bool(client.records("/tasks", project=project, limit=100)) for project in projects] == [
        *(True, True),
        *(False, False),
        *(True, True),
    ]


def test_a_cancelled_fault_stops_during_a_fetch(client: SandboxClient) -> None:
    fault = client.sandbox.add_fault(_TASKS, "empty_page", whole_listing=True)
    pages = client.pages("/tasks", project=client.gid("main_project"), limit=5)
    assert next(pages) == []
    fault.cancel()
    assert next(pages) != []


def test_a_fraction_hits_the_same_listings_every_time(client: SandboxClient) -> None:
    client.sandbox.add_fault("/tasks/{gid}/stories", 500, fraction=0.3)
    gids = [str(task["gid"]) for task in client.sandbox.truth("tasks", client.gid("paid_organization"))]
    statuses = [[client.get(f"/tasks/{gid}/stories").status_code for gid in gids] for _ in range(2)]
    assert statuses[0] == statuses[1]
    assert 0.1 < statuses[0].count(500) / len(gids) < 0.5


@pytest.mark.parametrize("kind", [400, 404, 410, "expired_offset", "invalid_offset", "too_large"])
def test_after_records_a_listing_is_refused(client: SandboxClient, kind: FaultKind) -> None:
    client.sandbox.add_fault("/tasks", kind, after_records=10)
    pages = client.pages("/tasks", project=client.gid("main_project"), limit=5)
    assert [len(next(pages)), len(next(pages))] == [5, 5]
    with pytest.raises(AssertionError):
        next(pages)
    assert client.sandbox.log[-1].status == (kind if isinstance(kind, int) else 400)


def test_the_truncation_message_can_be_changed(client: SandboxClient) -> None:
    client.sandbox.add_fault("/tasks", "too_large", times=1)
    client.sandbox.add_fault("/tasks", "too_large", message="Too much.")
    offset = client.body("/tasks", project=client.gid("main_project"), limit=5)["next_page"]["offset"]
    call = {"project": client.gid("main_project"), "limit": 5, "offset": offset}
    assert client.error("/tasks", **call) == (
        400,
        "The result was truncated because it is too large. Please use filters to reduce the number of results.",
    )
    assert client.error("/tasks", **call) == (400, "Too much.")


def test_pages_above_a_limit_fail_and_smaller_ones_do_not(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", 504, limit_above=25)
    project = client.gid("main_project")
    statuses = [client.get("/tasks", project=project, limit=limit).status_code for limit in (100, 26, 25)]
    assert statuses == [504, 504, 200]
    assert client.get(f"/tasks/{client.gid('my_task')}").status_code == 200


def test_faults_of_the_content_combine_with_each_other_and_with_one_of_the_response(client: SandboxClient) -> None:
    client.sandbox.add_fault("/users", "missing_field", field="name")
    client.sandbox.add_fault("/users", "replaced_record", position=0)
    late = client.sandbox.add_fault("/users", 503, times=1)
    other = client.sandbox.add_fault("/users", 500, times=1)
    call = {"workspace": client.gid("paid_organization")}
    assert [client.get("/users", **call).status_code for _ in range(2)] == [503, 500]
    first, second, *_ = client.records("/users", **call)
    assert (first, set(second)) == (None, {"gid", "resource_type"})
    assert [entry.fault for entry in client.sandbox.log][::2] == [
        "missing_field+replaced_record+503",
        "missing_field+replaced_record",
    ]
    assert (late.hits, other.hits) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (100, "the status 100 is not between 200 and 599"),
        ("missing_field", "the fault 'missing_field' requires `field`"),
        ("ignored_parameter", "the fault 'ignored_parameter' requires `parameter`"),
    ],
)
def test_an_incomplete_fault_is_rejected(kind: FaultKind, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(match="*", kind=kind)
