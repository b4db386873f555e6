"""Checks of everything that a sync depends on, with what to do about each problem."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import pyarrow as pa

from asana_assets.asana.errors import AsanaError, ConfigurationError
from asana_assets.asana.model import GID, SYNCED_AT, WORKSPACE_GID, Endpoint
from asana_assets.cli.account import inspect_account
from asana_assets.cli.endpoint_probe import Refusal
from asana_assets.cli.rates import rate_advice
from asana_assets.defs.failures import explain, find_remedy
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.defs.workspace_names import find_workspaces, unknown_workspaces_message
from asana_assets.lake.errors import LakeError
from asana_assets.snowflake.refresh import SnowflakeError, SnowflakeIcebergTables

_SELECTION = "ASANA_WORKSPACES"
_PROBE_SCHEMA = pa.schema([column.arrow_field for column in (GID, WORKSPACE_GID, SYNCED_AT)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: What was checked.
        ok: Whether it works, or lacks only what the plan does not include.
        message: What was found and, if it does not work, what to do.
        is_note: Whether something is missing although `ok`.
    """

    subject: str
    ok: bool
    message: str
    is_note: bool = False

    @property
    def status(self) -> str:
        """The result in one word."""
        if not self.ok:
            return "FAIL"
        return "note" if self.is_note else "ok"


def diagnose(
    asana: AsanaResource,
    lake: LakeResource,
    endpoints: Sequence[Endpoint],
    snowflake: SnowflakeIcebergTables | None = None,
) -> Iterator[Finding]:
    """Check the token, access to these endpoints, the shared rate limit, the catalog and, if given, Snowflake."""
    yield from _check_account(asana, endpoints)
    yield _check_rate_limit(asana)
    yield _check_catalog(lake)
    if snowflake:
        yield _check_snowflake(snowflake)


def _check_account(asana: AsanaResource, endpoints: Sequence[Endpoint]) -> Iterator[Finding]:
    try:
        account = inspect_account(asana, endpoints)
    except AsanaError as error:
        yield Finding(subject="token", ok=False, message=explain(error))
        return
    yield Finding(subject="token", ok=True, message=account.owner)
    if not account.workspaces:
        yield Finding(subject="workspaces", ok=False, message="the token's user is a member of no workspace")
    for workspace in account.workspaces:
        yield Finding(subject="workspace", ok=True, message=workspace.summary)
        for refusal in workspace.refusals:
            yield _describe_refusal(refusal, workspace.name or workspace.gid)
    names = {workspace.gid: workspace.name for workspace in account.workspaces}
    try:
        unknown = [gid for gid in find_workspaces(asana.workspaces, names, _SELECTION) if gid not in names]
    except ConfigurationError as error:
        yield Finding(subject="workspaces", ok=False, message=str(error))
    else:
        if unknown:
            message = unknown_workspaces_message(unknown, names, _SELECTION)
            yield Finding(subject="workspaces", ok=False, message=message)
    if account.workspaces and (advice := rate_advice(asana.requests_per_second, is_paid=account.is_paid)):
        yield Finding(subject="request rate", ok=True, message=advice, is_note=True)


def _describe_refusal(refusal: Refusal, workspace: str) -> Finding:
    remedy = (
        find_remedy(refusal.error, refusal.endpoint)
        if refusal.endpoint
        else "Without it, changes of subtasks and tasks without a project are found within a day."
    )
    untried = f" Not tried without it: {', '.join(refusal.untried)}." if refusal.untried else ""
    is_note = refusal.is_plan_limit or refusal.endpoint is None
    return Finding(
        subject=f"{refusal.name} of workspace {workspace}",
        ok=is_note,
        message=_with_remedy(refusal.error, f"{remedy}{untried}".lstrip()),
        is_note=is_note,
    )


def _with_remedy(error: AsanaError, remedy: str) -> str:
    return f"{str(error).rstrip('.')}. {remedy}" if remedy else str(error)


def _check_rate_limit(asana: AsanaResource) -> Finding:
    from asana_assets.asana.database_pacer import DatabasePacer  # noqa: PLC0415 - takes half a second to import

    if not asana.pacer_url:
        message = "processes do not share the rate limit: ASANA_PACER_URL is not set"
        return Finding(subject="rate limit", ok=True, message=message)
    try:
        address = DatabasePacer(asana.pacer_url, "doctor").check_connection()
    except ConfigurationError as error:
        return Finding(subject="rate limit", ok=False, message=str(error))
    except OSError as error:
        return Finding(subject="rate limit", ok=False, message=f"ASANA_PACER_URL cannot be used: {error}")
    message = f"{asana.requests_per_second:g} requests/s, shared through {address}"
    return Finding(subject="rate limit", ok=True, message=message)


def _check_catalog(lake: LakeResource) -> Finding:

    name = f"asana_assets_doctor_{uuid4().hex[:8]}"
    operation = "create"
    try:
        table = lake.iceberg.ensure_table(name, _PROBE_SCHEMA)
        try:
            operation = "write"
            batch = pa.RecordBatch.from_pylist([{"gid": "1", "workspace_gid": "1"}], schema=_PROBE_SCHEMA)
            lake.iceberg.replace_partition(table, "1", [batch], sort_by=("gid",))
            operation = "read"
            rows = lake.iceberg.scan(table).num_rows
        finally:
            lake.iceberg.drop_table(table)
    except LakeError as error:
        return Finding(subject="catalog", ok=False, message=f"cannot {operation} a table: {error}")
    ok = rows == 1
    message = (
        f"created, wrote, read and dropped the table {lake.namespace}.{name}"
        if ok
        else f"wrote 1 row to the table {lake.namespace}.{name}, but read {rows}"
    )
    return Finding(subject="catalog", ok=ok, message=message)


def _check_snowflake(snowflake: SnowflakeIcebergTables) -> Finding:
    try:
        login = snowflake.check_connection()
    except SnowflakeError as error:
        return Finding(subject="Snowflake", ok=False, message=f"{error}; check the SNOWFLAKE_* settings")
    return Finding(subject="Snowflake", ok=True, message=login)
