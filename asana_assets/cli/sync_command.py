"""Runs the Dagster jobs of a sync in this process, one workspace after another."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import Endpoint
from asana_assets.cli.interrupted_sync import find_interrupted_sync
from asana_assets.cli.job_execution import execute_here
from asana_assets.cli.notices import Level, Notice
from asana_assets.cli.run_events import HOW_TO_RESUME, WAS_INTERRUPTED, RunReport, report_run
from asana_assets.cli.summary import SummaryLine
from asana_assets.cli.sync_progress import QuietProgress, SyncProgress
from asana_assets.defs.jobs import PARTITION_TAG
from asana_assets.defs.names import LAKE, REFRESH_WORKSPACES, SYNC_WORKSPACE, Names
from asana_assets.defs.partitions import registered_workspaces
from asana_assets.defs.resources import LakeResource
from asana_assets.defs.workspace_names import (
    find_workspaces,
    label_workspace,
    label_workspaces,
    load_workspace_names,
    unknown_workspaces_message,
)
from asana_assets.lake.errors import LakeError
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.resume import SYNC_TAG

# The command prints its own summary, so Dagster's console log is silenced.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(slots=True)
class SyncReport:
    """What a sync did, over all of its runs so far.

    Attributes:
        lines: One line per materialization.
        notices: Everything that was not clean.
        names: The names of the workspaces by gid, once they are known.
        automation: How the tables are kept up to date.
    """

    lines: list[SummaryLine] = field(default_factory=list[SummaryLine])
    notices: list[Notice] = field(default_factory=list[Notice])
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    automation: str = ""

    def add(self, run: RunReport) -> None:
        self.lines.extend(run.lines)
        self.notices.extend(run.notices)

    def named_notices(self) -> list[Notice]:
        """Return the notices with workspaces named instead of identified."""
        return [Notice(notice.level, _name_workspaces(notice.message, self.names)) for notice in self.notices]


def _name_workspaces(message: str, names: Mapping[str, str]) -> str:
    """Replace the gid in each "workspace <gid>" by the workspace's name."""
    return re.sub(r"(?<=\bworkspace )\d+\b", lambda match: label_workspace(match[0], names), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCommand:
    """One invocation of `sync`.

    Attributes:
        definitions: The code location.
        instance: The Dagster instance that records the runs.
        endpoints: What to sync in each workspace.
        config: The run config of each of their assets.
        report: Receives what was done and what was not.
        progress: Displays what is being done.
        integration: The names of the definitions.
    """

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    endpoints: Sequence[Endpoint]
    config: Mapping[str, object]
    report: SyncReport = field(default_factory=SyncReport)
    progress: SyncProgress = field(default_factory=QuietProgress)
    integration: Names = field(default_factory=Names)

    def run(self, workspaces: Sequence[str]) -> None:
        """Sync these workspaces, given by gid or name, or all if none is given.

        Raises:
            KeyboardInterrupt: The sync was interrupted before the list of workspaces was synced.
        """
        if not self._refresh_workspaces():
            return
        known = registered_workspaces(self.instance, self.integration)
        self.report.names = names = load_workspace_names(self.instance, self.integration)
        visible = {gid: names.get(gid, "") for gid in known}
        gids = find_workspaces(workspaces, visible, "--workspace")
        unknown = [gid for gid in gids if gid not in known]
        if unknown:
            message = f"{unknown_workspaces_message(unknown, visible, '--workspace')}."
            self.report.notices.append(Notice(Level.ERROR, message))
            return
        remaining = list(dict.fromkeys(gids or known))
        stop_reason = ""
        while remaining and not stop_reason:
            stop_reason = self._sync_workspace(remaining.pop(0))
        if remaining:
            labels = label_workspaces(remaining, names)
            message = f"workspace{'s' * (len(remaining) > 1)} {labels}, because {stop_reason}."
            self.report.notices.append(Notice(Level.NOT_STARTED, message))

    def _refresh_workspaces(self) -> bool:
        """Sync the list of workspaces and return whether that succeeded."""
        job = self.definitions.resolve_job_def(self.integration.of(REFRESH_WORKSPACES))
        accepted = {name: value for name, value in self.config.items() if name == "accept_row_count_drop"}
        config = self._run_config([WORKSPACES.name], accepted)
        result = execute_here(job, config, instance=self.instance, tags={})
        self.report.add(report_run(result, self.integration, workspace_gid="", assets=[WORKSPACES.name]))
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
        names = [endpoint.name for endpoint in self.endpoints]
        interrupted = find_interrupted_sync(lake, gid, names)
        started_at, completed = interrupted or (dt.datetime.now(dt.UTC), ())
        if interrupted:
            label = self._label(gid)
            self.progress.note(f"Resuming the sync of {label} that started at {started_at:%Y-%m-%d %H:%M} UTC")
        with lake.sync_states.buffered(gid):
            lake.set_interrupted_sync(gid, Sync(id=started_at.isoformat(), started_at=started_at))
            synced = self._materialize(gid, [name for name in names if name not in completed], started_at)
            if synced.stop_reason != WAS_INTERRUPTED:  # only an interrupted sync is resumed, not one that failed
                lake.set_interrupted_sync(gid, None)
        return synced

    def _materialize(self, gid: str, assets: Sequence[str], started_at: dt.datetime) -> RunReport:
        if not assets:  # Dagster would take an empty selection to mean every asset
            return RunReport()
        endpoints = [endpoint for endpoint in self.endpoints if endpoint.name in assets]
        self.progress.start_workspace(self._label(gid), endpoints, self._never_synced(gid, endpoints))
        result = execute_here(
            self.definitions.resolve_job_def(self.integration.of(SYNC_WORKSPACE)),
            self._run_config(assets, self.config),
            instance=self.instance,
            tags={SYNC_TAG: started_at.isoformat(), PARTITION_TAG: gid},
            assets=[self.integration.asset_key(name) for name in assets],
        )
        self.progress.finish_workspace()
        return report_run(result, self.integration, workspace_gid=gid, assets=assets)

    def _run_config(self, assets: Sequence[str], config: Mapping[str, object]) -> dict[str, object]:
        return {**_QUIET, "ops": {self.integration.op(name): {"config": dict(config)} for name in assets}}

    def _label(self, gid: str) -> str:
        return label_workspace(gid, self.report.names)

    def _never_synced(self, gid: str, endpoints: Sequence[Endpoint]) -> list[str]:
        """Return the names of the endpoints whose parents are all fetched, as no sync of them was completed before."""
        names = [endpoint.name for endpoint in endpoints]
        synced = {} if self.config.get("full_refresh") else self._lake.sync_states.completed_syncs(gid, names)
        return [name for name in names if name not in synced]

    @property
    def _lake(self) -> LakeResource:
        lake = (self.definitions.resources or {})[self.integration.of(LAKE)]
        assert isinstance(lake, LakeResource)  # noqa: S101 - `build_definitions` always provides it
        return lake
