"""`asana-assets sync`: run the Dagster jobs in this process, one workspace after another."""

import datetime as dt
import logging
import signal
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import click
import dagster as dg
from rich.console import Console

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.cli.errors import report_errors
from asana_assets.cli.interrupted_sync import find_interrupted_sync
from asana_assets.cli.live_progress import LiveProgress
from asana_assets.cli.notices import Level, Notice, decide_exit_code, print_notices
from asana_assets.cli.options import selected_endpoints, selection_options
from asana_assets.cli.run_events import HOW_TO_RESUME, WAS_INTERRUPTED, RunReport, report_run
from asana_assets.cli.summary import SummaryLine, summary_table
from asana_assets.defs import automation
from asana_assets.defs.partitions import workspace_partitions
from asana_assets.defs.resources import LakeResource
from asana_assets.lake.errors import LakeError
from asana_assets.settings import Settings
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.resume import SYNC_TAG

# The command prints its own summary, so Dagster's console log is silenced.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@click.command(
    epilog="Exit codes: 0 if everything was synced, even with warnings; 1 if something was not synced or, with "
    "--strict, if there are warnings; 2 for wrong usage; 130 if the sync was interrupted."
)
@selection_options
@click.option("--accept-row-count-drop", is_flag=True, help="Accept tables that lose more than half of their rows.")
@click.option("--accept-empty-columns", is_flag=True, help="Accept columns that no longer have values.")
@click.option("--checkpoint-rows", type=click.IntRange(1), help="Commit a checkpoint after this many rows and parents.")
@click.option("--strict", is_flag=True, help="Exit with 1 if there are warnings.")
def sync(
    workspaces: Sequence[str],
    selected: Sequence[str],
    strict: bool,  # noqa: FBT001 - click passes it by name
    **config: object,
) -> None:
    """Sync Asana into the tables.

    Syncs the list of workspaces, then the assets of each workspace. Prints what was synced and, below it, everything
    that was not clean: errors, assets that were not started, and warnings on stderr; notes on stdout. A sync that was
    interrupted less than 12 hours ago is resumed: assets that it completed are skipped.
    """
    logging.getLogger("pyiceberg").setLevel(logging.ERROR)  # it logs a warning for each commit that it retries
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Dagster does while a run executes
    progress = LiveProgress(Console(stderr=True))
    report = SyncReport()
    try:
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
                    report=report,
                )
                command.run(workspaces)
    except KeyboardInterrupt:  # before or after the command ran
        report.notices.append(Notice(Level.INTERRUPTED, f"The sync was stopped. {HOW_TO_RESUME}."))
    if report.lines:
        Console().print(summary_table(report.lines))
    print_notices(report.notices)
    sys.exit(decide_exit_code(report.notices, strict=strict))


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did, over all of its runs so far."""

    lines: list[SummaryLine] = field(default_factory=list[SummaryLine])
    notices: list[Notice] = field(default_factory=list[Notice])

    def add(self, run: RunReport) -> None:
        self.lines.extend(run.lines)
        self.notices.extend(run.notices)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCommand:
    """One invocation of `sync`.

    Attributes:
        definitions: The code location.
        instance: The Dagster instance that records the runs.
        assets: The assets to materialize in each workspace.
        config: The run config of each of these assets.
        report: Receives what was done and what was not.
    """

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    assets: Sequence[str]
    config: Mapping[str, object]
    report: SyncReport = field(default_factory=SyncReport)

    def run(self, workspace_gids: Sequence[str]) -> None:
        """Sync these workspaces, or all if none is given.

        Raises:
            KeyboardInterrupt: The sync was interrupted before the list of workspaces was synced.
        """
        if not self._refresh_workspaces():
            return
        known = self.instance.get_dynamic_partitions(str(workspace_partitions.name))
        unknown = [gid for gid in workspace_gids if gid not in known]
        if unknown:
            message = f"--workspace names {', '.join(unknown)}, which this token cannot see"
            self.report.notices.append(Notice(Level.ERROR, message))
            return
        remaining = list(workspace_gids or known)
        stop_reason = ""
        while remaining and not stop_reason:
            stop_reason = self._sync_workspace(remaining.pop(0))
        if remaining:
            message = f"workspace{'s' * (len(remaining) > 1)} {', '.join(remaining)}, because {stop_reason}."
            self.report.notices.append(Notice(Level.NOT_STARTED, message))

    def _refresh_workspaces(self) -> bool:
        """Sync the list of workspaces and return whether that succeeded."""
        job = self.definitions.resolve_job_def(automation.refresh_workspaces.name)
        result = job.execute_in_process(_QUIET, instance=self.instance, raise_on_error=False)
        self.report.add(report_run(result, workspace_gid="", assets=[WORKSPACES.name], upstream={}))
        return result.success

    def _sync_workspace(self, gid: str) -> str:
        """Sync one workspace and return why no other may be started, "" if one may."""
        try:
            synced = self._sync_or_resume(gid)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            message = f"The sync of workspace {gid} was stopped. {HOW_TO_RESUME}."
            synced = RunReport(notices=[Notice(Level.INTERRUPTED, message)], stop_reason=WAS_INTERRUPTED)
        except LakeError as error:
            synced = RunReport(notices=[Notice(Level.ERROR, str(error))], stop_reason="the catalog cannot be used")
        self.report.add(synced)
        return synced.stop_reason

    def _sync_or_resume(self, gid: str) -> RunReport:
        """Sync one workspace, without the assets that an interrupted sync completed.

        Raises:
            LakeError: The catalog cannot be used.
        """
        lake = self._lake
        interrupted = find_interrupted_sync(lake, gid, self.assets)
        started_at, completed = interrupted or (dt.datetime.now(dt.UTC), ())
        if interrupted:
            click.echo(f"Resuming the sync of {gid} that started at {started_at:%Y-%m-%d %H:%M} UTC", err=True)
        lake.set_interrupted_sync(gid, Sync(id=started_at.isoformat(), started_at=started_at))
        synced = self._materialize(gid, [name for name in self.assets if name not in completed], started_at)
        if synced.stop_reason != WAS_INTERRUPTED:  # only an interrupted sync is resumed, not one that failed
            lake.set_interrupted_sync(gid, None)
        return synced

    def _materialize(self, gid: str, assets: Sequence[str], started_at: dt.datetime) -> RunReport:
        if not assets:  # Dagster would take an empty selection to mean every asset
            return RunReport()
        result = self.definitions.resolve_job_def(automation.sync_workspace.name).execute_in_process(
            {**_QUIET, "ops": {name: {"config": dict(self.config)} for name in assets}},
            instance=self.instance,
            partition_key=gid,
            tags={SYNC_TAG: started_at.isoformat()},
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in assets],
        )
        return report_run(result, workspace_gid=gid, assets=assets, upstream=self._upstream())

    def _upstream(self) -> dict[str, list[str]]:
        graph = self.definitions.resolve_asset_graph()
        return {
            key.path[-1]: sorted(parent.path[-1] for parent in graph.get(key).parent_keys)
            for key in graph.get_all_asset_keys()
        }

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
