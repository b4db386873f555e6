"""Choices of endpoints: the definitions that follow from them."""

import datetime as dt

import dagster as dg
import pytest

from asana_assets import AsanaResource, LakeResource, build_asana_defs
from asana_assets.asana.selection import further_endpoints, select_endpoints
from asana_assets.defs.names import DAILY, SYNC_CHANGES, SYNC_ESSENTIALS, SYNC_WORKSPACE
from asana_assets_tests.support.sync_harness import NAMES

CHOICES = (
    ("standard",),
    ("all",),
    (),
    ("tags",),
    ("users", "teams", "webhooks"),
    ("projects",),
    ("status_updates",),
    ("tasks",),
    ("attachments",),
    ("team_memberships", "stories"),
)
every_choice = pytest.mark.parametrize("chosen", CHOICES, ids=lambda chosen: "+".join(chosen) or "nothing")


def build(chosen: tuple[str, ...]) -> dg.Definitions:
    return build_asana_defs(asana=AsanaResource(access_token="secret"), lake=LakeResource(), endpoints=chosen)  # noqa: S106 - of no account


@every_choice
def test_every_choice_has_valid_definitions_of_its_assets_alone(chosen: tuple[str, ...]) -> None:
    definitions = build(chosen)
    dg.Definitions.validate_loadable(definitions)
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    names = {endpoint.name for endpoint in select_endpoints(chosen)}
    assert keys == {NAMES.asset_key(name) for name in names}  # no other appears in the UI, not as a source asset either


@every_choice
def test_jobs_select_what_is_chosen(chosen: tuple[str, ...]) -> None:
    definitions = build(chosen)
    names = {endpoint.name for endpoint in select_endpoints(chosen)}

    def selected(job: str) -> set[str]:
        keys = definitions.resolve_job_def(NAMES.of(job)).asset_layer.executable_asset_keys
        return {str(NAMES.endpoint_of(key)) for key in keys}

    assert selected(SYNC_WORKSPACE) == names
    if "tasks" in names:
        assert selected(SYNC_ESSENTIALS) == {"workspaces", "users", "projects", "tasks"} & names
        changed = selected(SYNC_CHANGES).difference(endpoint.name for endpoint in further_endpoints())
        assert changed == {"tasks", "subtasks", "stories", "attachments"} & names
    else:
        jobs = {job.name for job in definitions.resolve_all_job_defs()}
        assert jobs.isdisjoint({NAMES.of(SYNC_ESSENTIALS), NAMES.of(SYNC_CHANGES)})


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [(), ("tags",), ("team_memberships", "stories")])
def test_the_schedule_requests_runs_of_what_is_chosen(chosen: tuple[str, ...]) -> None:
    definitions = build(chosen)
    schedule = definitions.resolve_schedule_def(NAMES.of(DAILY))
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("asana_workspaces", ["1"])
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=now, repository_def=definitions.get_repository_def()
        ) as context:
            [refresh, *syncs] = schedule.evaluate_tick(context).run_requests or []
    assert refresh.asset_selection == [NAMES.asset_key("workspaces")]
    names = [endpoint.name for endpoint in select_endpoints(chosen) if endpoint.name != "workspaces"]
    assert [one.asset_selection for one in syncs] == ([[*map(NAMES.asset_key, names)]] if names else [])
