"""Trying out all that a sync needs, one thing after the other: what works, and what to do about what does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pyarrow as pa

from asana_assets.asana.errors import AsanaError, ConfigurationError
from asana_assets.asana.model import GID, SYNCED_AT, WORKSPACE_GID
from asana_assets.cli import account
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.defs.snowflake import SnowflakeError, SnowflakeIcebergTables
from asana_assets.lake.errors import LakeError

_PROBE_SCHEMA = pa.schema([column.arrow_field for column in (GID, WORKSPACE_GID, SYNCED_AT)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was tried, whether it works, and in words how."""

    subject: str
    ok: bool
    message: str


def diagnose(
    asana: AsanaResource, lake: LakeResource, snowflake: SnowflakeIcebergTables | None = None
) -> Iterator[Finding]:
    """Try the token, the rate-limit store, the catalog, and Snowflake where it is told of commits."""
    yield from _token(asana)
    yield _pace(asana)
    yield _catalog(lake)
    if snowflake:
        yield _snowflake(snowflake)


def _token(asana: AsanaResource) -> Iterator[Finding]:
    try:
        seen = account.inspect_account(asana)
    except AsanaError as error:
        yield Finding(subject="token", ok=False, message=str(error))
        return
    yield Finding(subject="token", ok=True, message=f"{seen.name} {f'<{seen.email}>' if seen.email else ''}".strip())
    if not seen.workspaces:
        yield Finding(subject="workspaces", ok=False, message="the token's user belongs to no workspace")
    for workspace in seen.workspaces:
        denied = {name: status for name, status in workspace.unavailable.items() if status != 402}  # noqa: PLR2004 # the plan
        words = workspace.summary
        if denied:
            words += ". Ask an admin of it for access, or leave these assets out"
        yield Finding(subject="workspace", ok=not denied, message=words)
    unknown = sorted(set(asana.workspaces).difference(one.gid for one in seen.workspaces))
    if unknown:
        words = f"ASANA_WORKSPACES names {', '.join(unknown)}, which this token cannot see"
        yield Finding(subject="workspaces", ok=False, message=words)


def _pace(asana: AsanaResource) -> Finding:
    from asana_assets.asana.pacer import DatabasePacer  # noqa: PLC0415 # half a second to import

    if not asana.pacer_url:
        return Finding(subject="rate limit", ok=True, message="this process alone keeps the pace (no ASANA_PACER_URL)")
    try:
        where = DatabasePacer(asana.pacer_url, "doctor").check_connection()
    except ConfigurationError as error:
        return Finding(subject="rate limit", ok=False, message=str(error))
    except OSError as error:
        return Finding(subject="rate limit", ok=False, message=f"ASANA_PACER_URL cannot be used: {error}")
    return Finding(subject="rate limit", ok=True, message=f"{asana.requests_per_second:g} requests/s, by {where}")


def _catalog(lake: LakeResource) -> Finding:
    name = f"asana_assets_doctor_{uuid4().hex[:8]}"
    did = "create"
    try:
        table = lake.iceberg.ensure_table(name, _PROBE_SCHEMA)
        try:
            did = "write"
            batch = pa.RecordBatch.from_pylist([{"gid": "1", "workspace_gid": "1"}], schema=_PROBE_SCHEMA)
            lake.iceberg.replace_partition(table, "1", [batch], sort_by=("gid",))
            did = "read"
            rows = lake.iceberg.scan(table).num_rows
        finally:
            lake.iceberg.drop_table(table)
    except LakeError as error:
        return Finding(subject="catalog", ok=False, message=f"{did}: {error}")
    works = rows == 1
    words = f"a table {lake.namespace}.{name} was created, written, read and dropped" if works else "a row got lost"
    return Finding(subject="catalog", ok=works, message=words)


def _snowflake(snowflake: SnowflakeIcebergTables) -> Finding:
    try:
        words = snowflake.check_connection()
    except SnowflakeError as error:
        return Finding(subject="Snowflake", ok=False, message=f"{error}; check the settings SNOWFLAKE_…")
    return Finding(subject="Snowflake", ok=True, message=words)
