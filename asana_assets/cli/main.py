"""The command `asana-assets`: the same assets, without the Dagster UI."""

import datetime as dt
import logging
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NoReturn

import click
import dagster as dg
from dagster_shared.error import SerializableErrorInfo
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.errors import AsanaError
from asana_assets.cli import account
from asana_assets.cli.diagnostics import diagnose
from asana_assets.cli.estimate_report import EstimateReport, InterruptedSync
from asana_assets.defs import automation
from asana_assets.defs.partitions import workspace_partitions
from asana_assets.defs.prefetch import RESUME_WINDOW, SYNC_TAG
from asana_assets.defs.progress import RequestRate, TrackedExtract, format_eta
from asana_assets.defs.resources import LakeResource
from asana_assets.lake.errors import LakeError
from asana_assets.snowflake.setup import SetupOptions, create_tables, setup_sql
from asana_assets.snowflake.sql import Route
from asana_assets.sync.change_detection import Sync

_NAMES = [endpoint.name for endpoint in ENDPOINTS]

_TOKENS = {"ASANA_ACCESS_TOKEN", "ASANA_TOKEN_SECRET_ID"}

_LOOK_SECONDS = 2.0
"""Over which the display measures the rate."""

# The command has its own words for what Dagster's console log would say.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class LiveProgress(Progress):
    """Shows what is being read: parents asked and to ask, rows, requests and their rate, time left."""

    def __init__(self, console: Console) -> None:
        self._reading: dict[TaskID, tuple[TrackedExtract, RequestRate]] = {}
        self._look_at = 0.0
        super().__init__(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
        )

    @contextmanager
    def track_extract(self, extract: TrackedExtract) -> Generator[None]:
        task = self.add_task(extract.endpoint.name, figures="")
        self._reading[task] = extract, RequestRate(extract.stats)
        try:
            yield
        finally:
            del self._reading[task]
            self.remove_task(task)

    def get_renderables(self) -> Iterable[RenderableType]:
        now = time.monotonic()
        look = now >= self._look_at
        if look:
            self._look_at = now + _LOOK_SECONDS
        for task, (reading, speed) in list(self._reading.items()):
            if look:
                speed.sample()
            report = reading.stats
            figures = (
                f"{report.rows:,} rows, {report.request_stats.requests:,} requests, {speed.rate:.1f}/s"
                f"{format_eta(speed.seconds_left)}"
            )
            self.update(task, completed=report.parents_fetched, total=report.parents_stale, figures=figures)
        yield from super().get_renderables()


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One materialization, as the closing table shows it."""

    asset: str
    workspace_gid: str
    rows: int
    requests: int
    saved: int
    seconds: float


@click.group()
def main() -> None:
    """Asana in your warehouse."""


def selection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what is synced."""
    for option in (
        click.option(
            "--select",
            "selected",
            multiple=True,
            metavar="ASSET",
            type=click.Choice(_NAMES),
            help="Only this asset, beside workspaces; may be repeated.",
        ),
        click.option("--refresh-after-days", type=float, help="Ask again, changed or not, after so long; 0 for never."),
        click.option("--full-refresh", is_flag=True, help="Ask for everything, changed or not."),
        click.option(
            "--workspace", "workspaces", multiple=True, metavar="GID", help="Only this workspace; may be repeated."
        ),
    ):
        command = option(command)
    return command


@main.command()
@selection_options
@click.option("--accept-row-count-drop", is_flag=True, help="Accept tables that lose more than half of their rows.")
@click.option("--checkpoint-rows", type=click.IntRange(1), help="Store what was read after so many rows and parents.")
def sync(workspaces: Sequence[str], selected: Sequence[str], **config: object) -> None:
    """Read Asana into the tables: the workspaces, then each workspace's assets.

    A sync that was killed less than 12 hours ago is gone on with: what it finished is not read again.
    """
    logging.getLogger("pyiceberg").setLevel(logging.ERROR)  # it tells of each commit that it has to try again
    out = Console()
    bars = LiveProgress(Console(stderr=True))
    try:
        from asana_assets.definitions import build_definitions  # noqa: PLC0415 # its settings may be wrong

        definitions = build_definitions(os.environ, progress=bars)
    except AsanaError as error:
        _exit_with_error(str(error))
    with _instance() as instance, bars if bars.console.is_terminal else nullcontext():
        chosen = [name for name in _NAMES if name != WORKSPACES.name and (name in selected or not selected)]
        given = {name: value for name, value in config.items() if value is not None}
        syncing = SyncCommand(definitions, instance, chosen, given)
        try:
            lines, errors = syncing.run(workspaces)
        except LakeError as error:
            _exit_with_error(str(error))
    if lines:
        out.print(_table(lines))
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    sys.exit(1 if errors else 0)


@main.command()
@selection_options
def plan(
    workspaces: Sequence[str],
    selected: Sequence[str],
    full_refresh: bool,  # noqa: FBT001 # click calls it, by name
    refresh_after_days: float | None,
) -> None:
    """Tell what the next sync will cost, and sync nothing.

    Per workspace and asset: the requests, and how long they take at the configured rate. It asks Asana at most 30
    times for each workspace.
    """
    out = Console()
    try:
        from asana_assets.definitions import build_definitions  # noqa: PLC0415 # its settings may be wrong

        resources = build_definitions(os.environ).resources or {}
    except AsanaError as error:
        _exit_with_error(str(error))
    lake: LakeResource = resources["lake"]
    with resources["asana"].process_config_and_initialize_cm() as asana:
        chosen = [one for one in ENDPOINTS if one is not WORKSPACES and (one.name in selected or not selected)]
        preview = EstimateReport(
            asana=asana,
            lake=lake,
            endpoints=chosen,
            unfinished=lambda gid: _unfinished(lake, gid, [endpoint.name for endpoint in chosen]),
            full_refresh=full_refresh,
            refresh_after_days=refresh_after_days,
        )
        try:
            for told in preview.render(workspaces):
                out.print(told)
        except dg.Failure as failure:
            _exit_with_error(str(failure.description))


def _unfinished(lake: LakeResource, gid: str, assets: Sequence[str]) -> InterruptedSync | None:
    """Give the sync of a workspace that was killed, if the next one goes on with it."""
    sync = lake.interrupted_sync(gid)
    if sync is None or dt.datetime.now(dt.UTC) - sync.started_at >= RESUME_WINDOW:
        return None
    return sync.started_at, [name for name in assets if lake.load_state(name, gid).last_sync_id == sync.id]


@main.command()
def connect() -> None:
    """Ask for the personal access token, try it, and keep it where syncs find it."""
    token = click.prompt("Personal access token (from https://app.asana.com/0/my-apps)", hide_input=True).strip()
    click.echo("Asking Asana …")
    try:
        from asana_assets.definitions import configure_asana  # noqa: PLC0415 # its settings may be wrong

        others = {name: value for name, value in os.environ.items() if name not in _TOKENS}
        seen = account.inspect_account(configure_asana(others, access_token=token))
        click.echo(f"This is the token of {seen.name} {seen.email}".rstrip())
        for workspace in seen.workspaces:
            click.echo(f"  {workspace.summary}")
        click.echo(f"Kept in {account.save_token(token, os.environ)}.")
    except AsanaError as error:
        _exit_with_error(f"{error}. The token was not kept")


@main.command()
def doctor() -> None:
    """Try the token, the rate limit's store and the catalog; exit with 1 if something does not work."""
    try:
        from asana_assets.definitions import build_definitions  # noqa: PLC0415 # its settings may be wrong

        resources = build_definitions(os.environ).resources or {}
    except AsanaError as error:
        _exit_with_error(str(error))
    works = True
    needed = {name: resources[name] for name in ("asana", "lake", "snowflake") if name in resources}
    with dg.build_resources(needed) as opened:
        for finding in diagnose(opened.asana, opened.lake, getattr(opened, "snowflake", None)):
            works = works and finding.ok
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.subject}: {finding.message}")
    sys.exit(0 if works else 1)


@main.command()
@click.option(
    "--route",
    required=True,
    type=click.Choice([route.value for route in Route]),
    help="How Snowflake learns of commits.",
)
@click.option("--tables", "only_tables", is_flag=True, help="Print what creates the tables of route tables instead.")
@click.option("--database", default="ASANA", show_default=True)
@click.option("--schema", default="RAW", show_default=True)
@click.option("--role", default="LAKE_WRITER", show_default=True, help="Who writes, or refreshes.")
@click.option("--user", default="LAKE_SERVICE", show_default=True, help="Who logs in, with that role.")
@click.option("--reader-role", help="Who reads.")
@click.option("--warehouse", default="LAKE_WAREHOUSE", show_default=True, help="Of route tables: counts rows.")
@click.option("--volume", help="LAKE_VOLUME, or in route horizon Snowflake's own storage, if not given.")
@click.option("--integration", default="LAKE_CATALOG", show_default=True, help="How AWS Glue is called in Snowflake.")
@click.option("--namespace", default="asana", show_default=True, help="The tables' database in AWS Glue.")
@click.option("--bucket", metavar="URL", help="s3://bucket/folder/ with the tables.")
@click.option("--storage-role-arn", metavar="ARN", help="The IAM role with which Snowflake reads the bucket.")
@click.option("--glue-role-arn", metavar="ARN", help="The IAM role with which Snowflake reads AWS Glue.")
@click.option("--region", help="Of AWS Glue.")
def snowflake_setup(route: str, only_tables: bool, **names: str) -> None:  # noqa: FBT001 # click calls it, by name
    """Print the SQL that prepares Snowflake; nothing is sent. Run twice, it does what it did once."""
    try:
        given = SetupOptions(**names)
        click.echo(create_tables(given, _NAMES) if only_tables else setup_sql(Route(route), given), nl=False)
    except AsanaError as error:
        _exit_with_error(str(error))


@dataclass(frozen=True, slots=True)
class SyncCommand:
    """One call of the command: these assets, with this configuration, on this instance."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    assets: Sequence[str]
    config: Mapping[str, object]

    def run(self, wanted: Sequence[str]) -> tuple[list[SummaryLine], list[str]]:
        """Sync the wanted workspaces, all if none is named; give what was materialized and what was not."""
        job = self.definitions.resolve_job_def(automation.refresh_workspaces.name)
        lines, errors = _summarize(job.execute_in_process(_QUIET, instance=self.instance, raise_on_error=False), "")
        if errors:
            return lines, errors
        known = self.instance.get_dynamic_partitions(str(workspace_partitions.name))
        unknown = [gid for gid in wanted if gid not in known]
        if unknown:
            return lines, [f"--workspace names {', '.join(unknown)}, which this token cannot see"]
        for gid in wanted or known:
            more_lines, more_errors = self._workspace(gid)
            lines += more_lines
            errors += more_errors
        return lines, errors

    def _workspace(self, gid: str) -> tuple[list[SummaryLine], list[str]]:
        lake = self._lake()
        unfinished = _unfinished(lake, gid, self.assets)
        began, done = unfinished or (dt.datetime.now(dt.UTC), ())
        if unfinished:
            click.echo(f"Going on with the sync of {gid} that began at {began:%Y-%m-%d %H:%M} UTC", err=True)
        lake.set_interrupted_sync(gid, Sync(id=began.isoformat(), started_at=began))
        outcome = self._materialize(gid, [name for name in self.assets if name not in done], began)
        # Whether well or not, it has come to its end: only one that was killed is gone on with.
        lake.set_interrupted_sync(gid, None)
        return outcome

    def _materialize(self, gid: str, assets: Sequence[str], began: dt.datetime) -> tuple[list[SummaryLine], list[str]]:
        if not assets:  # to Dagster, no selection is all
            return [], []
        result = self.definitions.resolve_job_def(automation.sync_workspace.name).execute_in_process(
            {**_QUIET, "ops": {name: {"config": dict(self.config)} for name in assets}},
            instance=self.instance,
            partition_key=gid,
            tags={SYNC_TAG: began.isoformat()},
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in assets],
        )
        return _summarize(result, gid)

    def _lake(self) -> LakeResource:
        lake = (self.definitions.resources or {})["lake"]
        assert isinstance(lake, LakeResource)  # noqa: S101 # as build_definitions puts it
        return lake


def _summarize(result: dg.ExecuteInProcessResult, workspace_gid: str) -> tuple[list[SummaryLine], list[str]]:
    seconds = {
        event.step_key: event.step_success_data.duration_ms / 1000
        for event in result.filter_events(lambda event: event.is_step_success)
    }
    lines: list[SummaryLine] = []
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        lines.append(
            SummaryLine(
                asset=event.materialization.asset_key.path[-1],
                workspace_gid=workspace_gid,
                rows=int(str(metadata["rows"].value)),
                requests=int(str(metadata["requests"].value)),
                saved=int(str(metadata["requests_saved"].value)),
                seconds=seconds.get(event.step_key, 0.0),
            )
        )
    errors: list[str] = []
    for event in result.filter_events(lambda event: event.is_step_failure):
        failure = event.step_failure_data
        told = failure.user_failure_data and failure.user_failure_data.description
        errors.append(told or f"{event.step_key}: {_root_cause(failure.error)}")
    if not result.success and not errors:
        errors.append("the run failed outside of any asset; set DAGSTER_HOME and look at the run in the Dagster UI")
    return lines, errors


def _root_cause(error: SerializableErrorInfo | None) -> str:
    """Say what nobody foresaw, in the words of the first cause."""
    while error and error.cause:
        error = error.cause
    if error is None or error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return "stopped"
    return f"{error.cls_name}: {error.message.strip().splitlines()[-1]}"


def _table(lines: Sequence[SummaryLine]) -> Table:
    table = Table("asset", "workspace", header_style="bold")
    for heading in ("rows", "requests", "saved", "seconds"):
        table.add_column(heading, justify="right")
    for line in lines:
        figures = (f"{line.rows:,}", f"{line.requests:,}", f"{line.saved:,}", f"{line.seconds:.1f}")
        table.add_row(line.asset, line.workspace_gid, *figures)
    table.add_section()
    table.add_row(
        "total",
        "",
        f"{sum(line.rows for line in lines):,}",
        f"{sum(line.requests for line in lines):,}",
        f"{sum(line.saved for line in lines):,}",
        f"{sum(line.seconds for line in lines):.1f}",
    )
    return table


@contextmanager
def _instance() -> Generator[dg.DagsterInstance]:
    """Give the Dagster instance of `DAGSTER_HOME`, or one that is forgotten afterwards."""
    if not os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance
        return
    try:
        instance = dg.DagsterInstance.get()
    except dg.DagsterError as error:
        _exit_with_error(f"DAGSTER_HOME: {str(error).strip().splitlines()[0]}")
    with instance:
        yield instance


def _exit_with_error(sentence: str) -> NoReturn:
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(1)
