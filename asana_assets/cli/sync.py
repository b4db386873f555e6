"""`asana-assets sync`: run the Dagster jobs in this process, one workspace after another."""

import datetime as dt
import logging
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import click
import dagster as dg
from rich.console import Console

from asana_assets.cli.errors import report_errors
from asana_assets.cli.interrupted_sync import find_interrupted_sync
from asana_assets.cli.live_progress import LiveProgress
from asana_assets.cli.options import selected_endpoints, selection_options
from asana_assets.cli.summary import SummaryLine, summarize, summary_table
from asana_assets.defs import automation
from asana_assets.defs.partitions import workspace_partitions
from asana_assets.defs.resources import LakeResource
from asana_assets.settings import Settings
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.resume import SYNC_TAG

# The command prints its own summary, so Dagster's console log is silenced.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@click.command()
@selection_options
@click.option("--accept-row-count-drop", is_flag=True, help="Accept tables that lose more than half of their rows.")
@click.option("--checkpoint-rows", type=click.IntRange(1), help="Commit a checkpoint after this many rows and parents.")
def sync(workspaces: Sequence[str], selected: Sequence[str], **config: object) -> None:
    """Sync Asana into the tables.

    Syncs the list of workspaces, then the assets of each workspace. A sync that was interrupted less than 12 hours ago
    is resumed: assets that it completed are skipped. Exits with 1 if anything was not synced.
    """
    logging.getLogger("pyiceberg").setLevel(logging.ERROR)  # it logs a warning for each commit that it retries
    progress = LiveProgress(Console(stderr=True))
    with report_errors():
        from asana_assets.definitions import build_definitions  # noqa: PLC0415 - raises if a setting is invalid

        settings = Settings()
        definitions = build_definitions(settings, progress=progress)
        with _open_instance(settings) as instance, progress if progress.console.is_terminal else nullcontext():
            command = SyncCommand(
                definitions=definitions,
                instance=instance,
                assets=[endpoint.name for endpoint in selected_endpoints(selected)],
                config={name: value for name, value in config.items() if value is not None},
            )
            lines, errors = command.run(workspaces)
    if lines:
        Console().print(summary_table(lines))
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    sys.exit(1 if errors else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCommand:
    """One invocation of `sync`.

    Attributes:
        definitions: The code location.
        instance: The Dagster instance that records the runs.
        assets: The assets to materialize in each workspace.
        config: The run config of each of these assets.
    """

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    assets: Sequence[str]
    config: Mapping[str, object]

    def run(self, workspace_gids: Sequence[str]) -> tuple[list[SummaryLine], list[str]]:
        """Sync these workspaces, or all if none is given; return the summary lines and the error messages.

        Raises:
            LakeError: The catalog cannot be used.
        """
        job = self.definitions.resolve_job_def(automation.refresh_workspaces.name)
        lines, errors = summarize(job.execute_in_process(_QUIET, instance=self.instance, raise_on_error=False), "")
        if errors:
            return lines, errors
        known = self.instance.get_dynamic_partitions(str(workspace_partitions.name))
        unknown = [gid for gid in workspace_gids if gid not in known]
        if unknown:
            return lines, [f"--workspace names {', '.join(unknown)}, which this token cannot see"]
        for gid in workspace_gids or known:
            more_lines, more_errors = self._sync_workspace(gid)
            lines += more_lines
            errors += more_errors
        return lines, errors

    def _sync_workspace(self, gid: str) -> tuple[list[SummaryLine], list[str]]:
        lake = self._lake
        interrupted = find_interrupted_sync(lake, gid, self.assets)
        started_at, completed = interrupted or (dt.datetime.now(dt.UTC), ())
        if interrupted:
            click.echo(f"Resuming the sync of {gid} that started at {started_at:%Y-%m-%d %H:%M} UTC", err=True)
        lake.set_interrupted_sync(gid, Sync(id=started_at.isoformat(), started_at=started_at))
        outcome = self._materialize(gid, [name for name in self.assets if name not in completed], started_at)
        lake.set_interrupted_sync(gid, None)  # after a failure as well: only an interrupted sync is resumed
        return outcome

    def _materialize(
        self, gid: str, assets: Sequence[str], started_at: dt.datetime
    ) -> tuple[list[SummaryLine], list[str]]:
        if not assets:  # Dagster would take an empty selection to mean every asset
            return [], []
        result = self.definitions.resolve_job_def(automation.sync_workspace.name).execute_in_process(
            {**_QUIET, "ops": {name: {"config": dict(self.config)} for name in assets}},
            instance=self.instance,
            partition_key=gid,
            tags={SYNC_TAG: started_at.isoformat()},
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in assets],
        )
        return summarize(result, gid)

    @property
    def _lake(self) -> LakeResource:
        lake = (self.definitions.resources or {})["lake"]
        assert isinstance(lake, LakeResource)  # noqa: S101 - `build_definitions` always provides it
        return lake


@contextmanager
def _open_instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """Yield the Dagster instance in DAGSTER_HOME, or an ephemeral one if it is unset."""
    if settings.dagster_home is None:
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance
        return
    try:
        instance = dg.DagsterInstance.get()
    except dg.DagsterError as error:
        first_line = str(error).strip().splitlines()[0]
        raise click.ClickException(f"DAGSTER_HOME is {settings.dagster_home!r}: {first_line}") from None
    with instance:
        yield instance
