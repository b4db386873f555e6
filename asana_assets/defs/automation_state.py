"""Whether Dagster keeps the tables up to date by itself, as far as its instance knows."""

import dagster as dg

from asana_assets.defs.names import AUTOMATION_CONDITION_SENSOR, DAILY, FREQUENT, Names


def running_automation(instance: dg.DagsterInstance, names: Names) -> list[str] | None:
    """Return which schedules and sensors that sync every workspace are on; None if the instance can have none."""
    if instance.schedule_storage is None:
        return None
    syncing = {names.of(name) for name in (DAILY, FREQUENT, AUTOMATION_CONDITION_SENSOR)}
    return sorted({one.instigator_name for one in instance.all_instigator_state() if one.is_running} & syncing)
