"""Two accounts in two code locations on one instance, over several ticks of all schedules and sensors of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from asana_assets import build_asana_defs
from asana_assets_tests.defs.test_embedding import QUIET, build_resources
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, expected_row

ENDPOINTS = ("projects", "tasks", "tags")
TABLES = ("workspaces", "users", *ENDPOINTS)


@dataclass
class Location:
    """A code location with one account, whose ticks are evaluated as the daemon does."""

    name: str
    warehouse: Warehouse
    instance: dg.DagsterInstance
    cursors: dict[str, str | None] = field(default_factory=dict[str, "str | None"])

    def __post_init__(self) -> None:
        resources = build_resources(self.warehouse, self.name)
        self.definitions = build_asana_defs(name=self.name, endpoints=ENDPOINTS, **resources)

    @property
    def gids(self) -> set[str]:
        return {str(record["gid"]) for record in self.warehouse.asana.truth("workspaces")}

    @property
    def registered(self) -> set[str]:
        return set(self.instance.get_dynamic_partitions(f"{self.name}_workspaces"))

    def tick(self, number: int) -> list[dg.ExecuteInProcessResult]:
        """Evaluate all schedules and sensors once, and execute the runs that they request."""
        repository = self.definitions.get_repository_def()
        requests: list[dg.RunRequest] = []
        for sensor in repository.sensor_defs:
            if not isinstance(sensor, dg.AutomationConditionSensorDefinition):
                requests += self._evaluate_sensor(sensor)
        for schedule in repository.schedule_defs:
            at = datetime(2026, 1, number, 3, tzinfo=UTC)
            with dg.build_schedule_context(
                instance=self.instance, scheduled_execution_time=at, repository_def=repository
            ) as context:
                found = schedule.evaluate_tick(context).run_requests or []
            requests += [one if one.job_name else one.with_replaced_attrs(job_name=schedule.job_name) for one in found]
        return [self._execute(request) for request in requests]

    def _evaluate_sensor(self, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
        available: Mapping[str, Any] = self.definitions.resources or {}
        resources = {key: available[key] for key in (f"{self.name}_api", f"{self.name}_lake")}
        with dg.SensorEvaluationContext(
            instance_ref=self.instance.get_ref(),
            last_tick_completion_time=None,
            last_run_key=None,
            cursor=self.cursors.get(sensor.name),
            repository_name=None,
            repository_def=self.definitions.get_repository_def(),
            sensor_name=sensor.name,
            resources=resources,
        ) as context:
            result = sensor.evaluate_tick(context)
        self.cursors[sensor.name] = result.cursor
        for change in result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(change.partitions_def_name, list(change.partition_keys))
        return [
            one if one.job_name else one.with_replaced_attrs(job_name=sensor.job_name)
            for one in result.run_requests or []
        ]

    def _execute(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        assert request.job_name
        return self.definitions.resolve_job_def(request.job_name).execute_in_process(
            QUIET,
            instance=self.instance,
            partition_key=request.partition_key,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            tags=dict(request.tags),
        )

    def assert_matches_asana(self) -> None:
        """Assert that each table in this account's namespace has exactly this account's records."""
        lake = build_resources(self.warehouse, self.name)["lake"]
        for name in TABLES:
            rows = lake.iceberg.scan(lake.table(name))
            for gid in self.gids:
                expected = [expected_row(record, rows.schema) for record in self.warehouse.asana.truth(name, gid)]
                stored = {row["gid"]: row for row in rows.to_pylist() if row["workspace_gid"] == gid}
                assert stored.keys() == {one["gid"] for one in expected}, (self.name, name)
                for one in expected:
                    assert one.items() <= stored[one["gid"]].items()
            assert set(rows["workspace_gid"].to_pylist()) <= self.gids


@pytest.mark.slow
def test_two_code_locations_on_one_instance_do_not_disturb_each_other(make_warehouse: MakeWarehouse) -> None:
    with dg.instance_for_test() as instance:
        locations = [Location(name, make_warehouse(seed=seed), instance) for seed, name in enumerate(("acme", "beta"))]
        first, second = locations
        assert first.gids.isdisjoint(second.gids)
        for number in range(1, 3):
            for location, other in ((first, second), (second, first)):
                organization = location.warehouse.asana.organization
                organization.rename_task(
                    str(location.warehouse.asana.truth("tasks", paid(location.warehouse))[0]["gid"]), f"Tick {number}"
                )
                before = (other.registered, len(other.warehouse.asana.log))
                results = location.tick(number)
                assert len(results) >= len(location.gids)
                for result in results:
                    assert result.success
                    assert result.job_def.name.startswith(f"{location.name}_")
                    assert result.dagster_run.tags.get("dagster/partition") in {None, *location.gids}
                assert (other.registered, len(other.warehouse.asana.log)) == before
                assert location.registered == location.gids
        for location in locations:
            location.assert_matches_asana()
