"""What the events of a Dagster run say about a sync: what was stored, what was not, and every failed check.

Nothing is computed a second time: failures, checks and metadata are those that the Dagster UI shows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.cli.notices import Level, Notice
from asana_assets.cli.summary import SummaryLine, read_changes
from asana_assets.defs.api_announcements import ANNOUNCEMENTS_KEY
from asana_assets.defs.checks import AVAILABLE_ON_PLAN
from asana_assets.defs.failures import ENDS_RUN_KEY, NOT_STARTED_KEY, TOKEN_REJECTED, UNKNOWN_WORKSPACE, root_cause
from asana_assets.defs.names import Names
from asana_assets.sync.resume import RESUME_WINDOW

_UPSTREAM = {endpoint.name: tuple(sorted(endpoint.upstream)) for endpoint in ENDPOINTS}
_INTERRUPTIONS = {dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__}
_BLOCKING_CHECK_ERROR = "DagsterAssetCheckFailedError"  # its checks are reported themselves

WAS_INTERRUPTED = "the sync was interrupted"
"""Why assets were not started after SIGINT or SIGTERM."""

HOW_TO_RESUME = f"Run asana-assets sync again within {RESUME_WINDOW.total_seconds() / 3600:.0f} hours to resume it"
"""What to do after an interruption, without a period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What one run did.

    Attributes:
        lines: One line per materialization.
        notices: Everything that was not clean.
        stop_reason: Why no further run may be started; "" if one may.
    """

    lines: Sequence[SummaryLine] = ()
    notices: Sequence[Notice] = ()
    stop_reason: str = ""


def report_run(
    result: dg.JobExecutionResult,
    names: Names,
    *,
    workspace_gid: str,
    assets: Sequence[str],
) -> RunReport:
    """Return what a finished run did.

    Args:
        result: The run's result.
        names: The names of the definitions.
        workspace_gid: The run's partition; "" if it has none.
        assets: The endpoints whose assets the run was to materialize.
    """
    run = _Run(result, names, workspace_gid, assets)
    run.read_failures()
    return RunReport(
        lines=list(run.summary_lines()),
        notices=[
            *run.failure_notices,
            *run.not_started(),
            *run.plan_limits(),
            *run.check_notices(),
            *run.announcements(),
        ],
        stop_reason="" if run.stop_reason == UNKNOWN_WORKSPACE else run.stop_reason,
    )


@dataclass(slots=True)
class _Run:
    """One run, and why its failed steps failed.

    Attributes:
        failure_notices: One per failed step, unless it is reported otherwise.
        failed: By failed step, what to say about assets that were not started because of it.
        refused: The part of `failed` whose requests were not sent, because the token had been rejected.
        stop_reason: See `RunReport`.
    """

    result: dg.JobExecutionResult
    names: Names
    workspace_gid: str
    assets: Sequence[str]
    failure_notices: list[Notice] = field(default_factory=list[Notice])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    refused: set[str] = field(default_factory=set[str])
    stop_reason: str = ""

    @property
    def scope(self) -> str:
        """The workspace, as part of a sentence."""
        return f" of workspace {self.workspace_gid}" if self.workspace_gid else ""

    def read_failures(self) -> None:
        """Read the failed steps."""
        fallback = ""
        for event in self.result.filter_events(lambda event: event.is_step_failure):
            name, data = self.names.endpoint(str(event.step_key)), event.step_failure_data
            user_failure = data.user_failure_data
            metadata = (user_failure and user_failure.metadata) or {}
            description = (user_failure and user_failure.description) or ""
            if NOT_STARTED_KEY in metadata:
                self.failed[name] = self.stop_reason = TOKEN_REJECTED
                self.refused.add(name)
                fallback = fallback or description
            elif _is_interruption(data.error):
                self.failed[name] = self.stop_reason = WAS_INTERRUPTED
                message = f"{name}{self.scope} was stopped. {HOW_TO_RESUME}."
                self.failure_notices.append(Notice(Level.INTERRUPTED, message))
            elif data.error and data.error.cls_name == _BLOCKING_CHECK_ERROR:
                checks = [
                    check.check_name for check in self._failed_checks() if check.asset_key == self.names.asset_key(name)
                ]
                self.failed[name] = f"the check {' and '.join(checks)} of {name} failed"
            else:
                self.failed[name] = f"{name} failed"
                if ENDS_RUN_KEY in metadata:
                    self.failed[name] = self.stop_reason = str(metadata[ENDS_RUN_KEY].value)
                message = description or f"{name}{self.scope}: {root_cause(data.error)}"
                self.failure_notices.append(Notice(Level.ERROR, message))
        if fallback and not self.failure_notices:  # the request that was rejected was not one of a step that ran
            self.failure_notices.append(Notice(Level.ERROR, fallback))
        self._read_run_failure()

    def _read_run_failure(self) -> None:
        """Read the failure of the run itself, unless its failed steps explain it."""
        failures = self.result.filter_events(lambda event: event.is_job_failure)
        errors = [event.job_failure_data.error for event in failures]
        if any(map(_is_interruption, errors)) and self.stop_reason != WAS_INTERRUPTED:
            self.stop_reason = WAS_INTERRUPTED
            message = f"The sync{self.scope} was stopped. {HOW_TO_RESUME}."
            self.failure_notices.append(Notice(Level.INTERRUPTED, message))
        elif not self.result.success and not self.failed:
            message = "the run failed outside of its steps; set DAGSTER_HOME and inspect the run in the Dagster UI"
            self.failure_notices.append(Notice(Level.ERROR, message))

    def not_started(self) -> Iterator[Notice]:
        """Yield the assets that were not started, grouped by the reason."""
        started = {
            self.names.endpoint(str(event.step_key))
            for event in self.result.filter_events(lambda event: event.is_step_start)
        }
        by_reason: dict[str, list[str]] = {}
        for name in self.assets:
            if name not in started or name in self.refused:
                by_reason.setdefault(" and ".join(self._reasons(name)), []).append(name)
        for reason, names in by_reason.items():
            yield Notice(Level.NOT_STARTED, f"{', '.join(names)}{self.scope}, because {reason}.")

    def plan_limits(self) -> Iterator[Notice]:
        """Yield one notice of everything that the workspace's plan does not include."""
        checks = filter(_is_plan_limit, self.result.get_asset_check_evaluations())
        if assets := sorted(str(self.names.endpoint_of(check.asset_key)) for check in checks):
            yield Notice(
                Level.NOTE,
                f"The plan{self.scope} does not include {', '.join(assets)} (402), so there are no rows of it. There "
                "is nothing to do, unless you upgrade the plan.",
            )

    def check_notices(self) -> Iterator[Notice]:
        """Yield the failed checks, and those that passed with a description, without the limits of the plan."""
        for check in self.result.get_asset_check_evaluations():
            asset = self.names.endpoint_of(check.asset_key)
            if (check.passed and not check.description) or _is_plan_limit(check):
                continue
            level = Level.ERROR if check.severity == dg.AssetCheckSeverity.ERROR else Level.WARNING
            if check.passed:
                level = Level.NOTE
            description = check.description or "The check failed."
            yield Notice(level, f"{asset}{self.scope} ({check.check_name}): {description}")

    def announcements(self) -> Iterator[Notice]:
        """Yield removed workspaces and announced API changes, from the metadata of the materializations."""
        for event in self.result.get_asset_materialization_events():
            metadata = event.materialization.metadata
            if removed := _texts(metadata, "removed_workspaces"):
                message = (
                    f"workspaces: the token can no longer see {', '.join(removed)}, or ASANA_WORKSPACES no longer "
                    "names it. It is not synced any more; its rows are kept."
                )
                yield Notice(Level.WARNING, message)
            if ANNOUNCEMENTS_KEY in metadata:
                announced = _plain_text(str(metadata[ANNOUNCEMENTS_KEY].value))
                yield Notice(Level.NOTE, f"Asana announced changes of its API: {announced}.")

    def summary_lines(self) -> Iterator[SummaryLine]:
        """Yield one line per materialization."""
        seconds = {
            event.step_key: event.step_success_data.duration_ms / 1000
            for event in self.result.filter_events(lambda event: event.is_step_success)
        }
        for event in self.result.get_asset_materialization_events():
            metadata = event.materialization.metadata
            yield SummaryLine(
                asset=str(self.names.endpoint_of(event.materialization.asset_key)),
                workspace_gid=self.workspace_gid,
                rows=int(str(metadata["rows"].value)),
                requests=int(str(metadata["requests"].value)),
                saved=int(str(metadata["requests_saved"].value)),
                seconds=seconds.get(event.step_key, 0.0),
                changes=read_changes(metadata),
                table=str(metadata["dagster/table_name"].value),
                location=str(metadata["dagster/uri"].value),
            )

    def _reasons(self, name: str) -> list[str]:
        """Return why an asset was not started: the failures nearest upstream, or what ended the run."""
        reasons: dict[str, None] = {}
        pending, seen = [name], {name}
        while pending:
            current = pending.pop()
            if current in self.failed:
                reasons[self.failed[current]] = None
            else:
                pending += [other for other in _UPSTREAM[current] if other not in seen]
                seen.update(_UPSTREAM[current])
        return sorted(reasons) or [self.stop_reason or "the run failed"]

    def _failed_checks(self) -> list[dg.AssetCheckEvaluation]:
        return [
            check
            for check in self.result.get_asset_check_evaluations()
            if not check.passed and check.blocking and check.severity == dg.AssetCheckSeverity.ERROR
        ]


def _is_plan_limit(check: dg.AssetCheckEvaluation) -> bool:
    """Return whether a check says that the plan does not include an endpoint, with nothing to fix.

    That only service accounts may read one is another reason, which its own note gives.
    """
    return check.check_name == AVAILABLE_ON_PLAN and check.passed and "(402)" in (check.description or "")


def _is_interruption(error: SerializableErrorInfo | None) -> bool:
    while error:
        if error.cls_name in _INTERRUPTIONS:
            return True
        error = error.cause
    return False


def _texts(metadata: Mapping[str, dg.MetadataValue], key: str) -> list[str]:
    """Return a list of strings from a materialization's metadata, empty if there is none."""
    value = metadata[key].value if key in metadata else None
    return [str(item) for item in value] if isinstance(value, list) else []


def _plain_text(markdown: str) -> str:
    """Return a Markdown list of links as text."""
    items = [line.removeprefix("- ") for line in markdown.splitlines()]
    return re.sub(r"\[(.+?)\]\((.+?)\)", r"\1 (\2)", "; ".join(items))
