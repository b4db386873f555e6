"""Trying out all that a sync needs, one thing after the other: what works, and what to do about what does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pyarrow as pa

from asana_assets import account
from asana_assets.asana.endpoint import GID, SYNCED_AT, WORKSPACE_GID
from asana_assets.asana.errors import AsanaError, SettingError
from asana_assets.lake.errors import LakeError
from asana_assets.resources import AsanaResource, LakeResource
from asana_assets.snowflake import SnowflakeError, SnowflakeTables

_SCRATCH = pa.schema([column.arrow for column in (GID, WORKSPACE_GID, SYNCED_AT)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was tried, whether it works, and in words how."""

    subject: str
    works: bool
    words: str


def examine(asana: AsanaResource, lake: LakeResource, snowflake: SnowflakeTables | None = None) -> Iterator[Finding]:
    """Try the token, the rate-limit store, the catalog, and Snowflake where it is told of commits."""
    yield from _token(asana)
    yield _pace(asana)
    yield _catalog(lake)
    if snowflake:
        yield _snowflake(snowflake)


def _token(asana: AsanaResource) -> Iterator[Finding]:
    try:
        seen = account.look(asana)
    except AsanaError as error:
        yield Finding(subject="token", works=False, words=str(error))
        return
    yield Finding(subject="token", works=True, words=f"{seen.name} {f'<{seen.email}>' if seen.email else ''}".strip())
    if not seen.workspaces:
        yield Finding(subject="workspaces", works=False, words="the token's user belongs to no workspace")
    for workspace in seen.workspaces:
        denied = {name: status for name, status in workspace.refused.items() if status != 402}  # noqa: PLR2004 # the plan
        words = workspace.words
        if denied:
            words += ". Ask an admin of it for access, or leave these assets out"
        yield Finding(subject="workspace", works=not denied, words=words)
    unknown = sorted(set(asana.workspaces).difference(one.gid for one in seen.workspaces))
    if unknown:
        words = f"ASANA_WORKSPACES names {', '.join(unknown)}, which this token cannot see"
        yield Finding(subject="workspaces", works=False, words=words)


def _pace(asana: AsanaResource) -> Finding:
    from asana_assets.asana.pace import SharedPace  # noqa: PLC0415 # half a second to import

    if not asana.pacer_url:
        return Finding(subject="rate limit", works=True, words="this process alone keeps the pace (no ASANA_PACER_URL)")
    try:
        where = SharedPace(asana.pacer_url, "doctor").try_out()
    except SettingError as error:
        return Finding(subject="rate limit", works=False, words=str(error))
    except OSError as error:
        return Finding(subject="rate limit", works=False, words=f"ASANA_PACER_URL cannot be used: {error}")
    return Finding(subject="rate limit", works=True, words=f"{asana.requests_per_second:g} requests/s, by {where}")


def _catalog(lake: LakeResource) -> Finding:
    from asana_assets.lake.commit import replace_partition  # noqa: PLC0415 # half a second to import
    from asana_assets.lake.table import ensure_table, scan  # noqa: PLC0415 # as above
    from asana_assets.lake.writer import PartitionWriter  # noqa: PLC0415 # as above

    name = f"asana_assets_doctor_{uuid4().hex[:8]}"
    did = "create"
    try:
        table = ensure_table(lake.catalog, lake.namespace, name, _SCRATCH)
        try:
            did = "write"
            with PartitionWriter(table, workspace="1", sort_by=("gid",)) as writer:
                writer.write(pa.RecordBatch.from_pylist([{"gid": "1", "workspace_gid": "1"}], schema=_SCRATCH))
                replace_partition(table, "1", writer.finish(), properties={})
            did = "read"
            rows = scan(table).num_rows
        finally:
            lake.catalog.drop_table(table.name())
    except LakeError as error:
        return Finding(subject="catalog", works=False, words=f"{did}: {error}")
    works = rows == 1
    words = f"a table {lake.namespace}.{name} was created, written, read and dropped" if works else "a row got lost"
    return Finding(subject="catalog", works=works, words=words)


def _snowflake(snowflake: SnowflakeTables) -> Finding:
    try:
        words = snowflake.try_out()
    except SnowflakeError as error:
        return Finding(subject="Snowflake", works=False, words=f"{error}; check the settings SNOWFLAKE_…")
    return Finding(subject="Snowflake", works=True, words=words)
