"""How the tables are kept up to date: what Dagster does by itself, or what the user can do."""

import dagster as dg

from asana_assets.defs.automation_state import running_automation
from asana_assets.defs.names import DAILY, Names
from asana_assets.defs.progress import enumerate_words


def describe_automation(instance: dg.DagsterInstance | None) -> str:
    """Return which schedule keeps the tables up to date or, without one, how to do so.

    Args:
        instance: The instance in DAGSTER_HOME, None if that is unset.
    """
    names = Names()
    running = (instance and running_automation(instance, names)) or []
    if running:
        verb = "is" if len(running) == 1 else "are"
        return f"Dagster keeps the tables up to date while it runs: {enumerate_words(running)} {verb} on."
    schedule = f"Dagster's schedule {names.of(DAILY)}{', which is off' if instance else ''}"
    return f"To keep the tables up to date, run asana-assets sync every night by cron, or turn on {schedule}."
