"""Builds the definitions of an integration: one Asana token, synced into one Iceberg namespace.

Nothing here reads the environment, selects an executor, or refers to definitions of the host.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from asana_assets.asana.model import Endpoint
from asana_assets.asana.selection import STANDARD, select_endpoints
from asana_assets.defs.assets import OpOptions, build_asset
from asana_assets.defs.automation import Automation, build_schedules, build_sensors
from asana_assets.defs.freshness import build_freshness_check
from asana_assets.defs.io_manager import IcebergIOManager
from asana_assets.defs.jobs import build_jobs
from asana_assets.defs.names import API, IO_MANAGER, LAKE, PREFETCHER, PROGRESS, SNOWFLAKE, Names
from asana_assets.defs.prefetch import Prefetcher
from asana_assets.defs.progress import NullProgress, ProgressReporter
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.defs.snowflake import SnowflakeRefreshingIOManager, build_row_count_checks
from asana_assets.defs.step_order import step_priority
from asana_assets.defs.table_metadata import ENDPOINT_KEY, with_table_metadata
from asana_assets.defs.translator import AsanaEndpointProps, AsanaTranslator
from asana_assets.snowflake.refresh import SnowflakeIcebergTables


def build_asana_defs(
    *,
    name: str = "asana",
    asana: AsanaResource,
    lake: LakeResource,
    endpoints: Sequence[str] = (STANDARD,),
    translator: AsanaTranslator | None = None,
    partitions_def: dg.DynamicPartitionsDefinition | None = None,
    op: OpOptions | None = None,
    automation: Automation | None = Automation(),  # noqa: B008 - frozen
    snowflake: SnowflakeIcebergTables | None = None,
    progress: ProgressReporter | None = None,
    prefetch: bool = True,
) -> dg.Definitions:
    """Build assets, resources, jobs, schedules and sensors. Sends no requests and opens no files.

    Args:
        name: The integration's name, which is part of every name in Dagster: of the asset keys `[name, endpoint]`, the
            ops, the resources, the jobs, the schedules, the sensors, the pool and the partitions definition.
        asana: Access to Asana.
        lake: The Iceberg tables.
        endpoints: The endpoints to sync, to which those are added that they are listed by: names, `standard` or `all`.
        translator: Replaces the asset specs, including their keys.
        partitions_def: The workspace partitions, if other assets share them; `workspaces` registers and removes them.
        op: Options of the assets' ops.
        automation: The schedules and sensors; None for neither these nor automation conditions.
        snowflake: Refreshes Snowflake's tables after commits.
        progress: Receives progress updates.
        prefetch: Whether extracts start before their step does, if the executor runs all steps in one process.

    Raises:
        ConfigurationError: The name is not valid, there is no such endpoint, or a column cannot be omitted or hashed.
    """
    _ = asana.column_choice  # a column that cannot be hidden is an error now, not during a sync
    condition = automation.condition if automation else None
    plan = _plan(name, endpoints, translator, partitions_def, condition)
    freshness = [build_freshness_check(plan.names, plan.endpoints, automation.max_age)] if automation else []
    row_counts = build_row_count_checks(plan.names, plan.endpoints) if snowflake else []
    jobs = build_jobs(plan.names, plan.endpoints, plan.partitions_def, excluded_checks=freshness)
    return dg.Definitions(
        assets=with_table_metadata(plan.build_assets(op), lake),
        asset_checks=[*freshness, *row_counts],
        jobs=list(jobs.values()),
        schedules=build_schedules(plan.names, plan.endpoints, jobs, automation) if automation else None,
        sensors=build_sensors(plan.names, plan.endpoints, jobs, automation) if automation else None,
        resources=plan.build_resources(asana, lake, snowflake, progress, prefetch=prefetch),
    )


def build_asana_assets(
    *,
    name: str = "asana",
    asana: AsanaResource,
    lake: LakeResource,
    endpoints: Sequence[str] = (STANDARD,),
    translator: AsanaTranslator | None = None,
    partitions_def: dg.DynamicPartitionsDefinition | None = None,
    op: OpOptions | None = None,
) -> list[dg.AssetsDefinition]:
    """Build only the assets, with their resources, and without automation conditions; see `build_asana_defs`.

    Raises:
        ConfigurationError: The name is not valid, there is no such endpoint, or a column cannot be omitted or hashed.
    """
    _ = asana.column_choice  # as in `build_asana_defs`
    plan = _plan(name, endpoints, translator, partitions_def, None)
    return list(dg.with_resources(with_table_metadata(plan.build_assets(op), lake), plan.build_resources(asana, lake)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What the definitions of an integration are built from.

    Attributes:
        names: The names.
        endpoints: The selected endpoints, parents before children.
        specs: The translated asset specs by endpoint name.
        partitions_def: The workspace partitions.
    """

    names: Names
    endpoints: Sequence[Endpoint]
    specs: Mapping[str, dg.AssetSpec]
    partitions_def: dg.DynamicPartitionsDefinition

    def build_assets(self, op: OpOptions | None) -> list[dg.AssetsDefinition]:
        return [
            build_asset(
                endpoint,
                self.specs[endpoint.name],
                self.names,
                self.partitions_def,
                priority=step_priority(endpoint, self.endpoints),
                op=op,
            )
            for endpoint in self.endpoints
        ]

    def build_resources(
        self,
        asana: AsanaResource,
        lake: LakeResource,
        snowflake: SnowflakeIcebergTables | None = None,
        progress: ProgressReporter | None = None,
        *,
        prefetch: bool = True,
    ) -> dict[str, Any]:
        integration = self.names.name
        io_manager = (
            SnowflakeRefreshingIOManager(lake=lake, integration=integration, snowflake=snowflake)
            if snowflake
            else IcebergIOManager(lake=lake, integration=integration)
        )
        resources = {
            API: asana,
            LAKE: lake,
            IO_MANAGER: io_manager,
            PREFETCHER: Prefetcher(
                asana=asana, lake=lake, endpoints=[endpoint.name for endpoint in self.endpoints], enabled=prefetch
            ),
            PROGRESS: dg.ResourceDefinition.hardcoded_resource(
                progress or NullProgress(), "Internal: receives the progress of each asset. There is nothing to set up."
            ),
            **({SNOWFLAKE: snowflake} if snowflake else {}),
        }
        return {self.names.of(key): resource for key, resource in resources.items()}


def _plan(
    name: str,
    endpoints: Sequence[str],
    translator: AsanaTranslator | None,
    partitions_def: dg.DynamicPartitionsDefinition | None,
    condition: dg.AutomationCondition[Any] | None,
) -> _Plan:
    translator = translator or AsanaTranslator()
    selected = select_endpoints(endpoints)
    specs = {
        endpoint.name: translator.get_asset_spec(
            AsanaEndpointProps(endpoint=endpoint, name=name, automation_condition=condition)
        ).merge_attributes(metadata={ENDPOINT_KEY: endpoint.name})
        for endpoint in selected
    }
    keys = {endpoint: spec.key for endpoint, spec in specs.items()}
    names = Names(name, keys, (partitions_def and partitions_def.name) or "")
    return _Plan(
        names=names,
        endpoints=selected,
        specs=specs,
        partitions_def=partitions_def or dg.DynamicPartitionsDefinition(name=names.partitions),
    )
