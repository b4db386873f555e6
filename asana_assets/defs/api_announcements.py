"""API changes that Asana announces in the headers of every response.

They are the same for all assets and stay for months, so only `workspaces` reports them, and only once a day.
"""

import datetime as dt
import time
from collections.abc import Collection

import dagster as dg

from asana_assets.asana.request_stats import RequestStats

ANNOUNCEMENTS_KEY = "api_announcements"
"""Metadata of the first materialization of `workspaces` on a day: a Markdown list of the changes with links."""


def report_announcements(stats: RequestStats, context: dg.AssetExecutionContext) -> dict[str, dg.MetadataValue]:
    """Log what the responses announced and return it as metadata, unless the asset was materialized on this day."""
    previous = context.instance.get_latest_materialization_event(context.asset_key)
    if not stats.deprecation_notices or (previous and not is_first_of_day(time.time(), previous.timestamp)):
        return {}
    announcements = describe_announcements(stats.deprecation_notices)
    context.log.warning("Asana announced changes of its API:\n%s", announcements)
    return {ANNOUNCEMENTS_KEY: dg.MetadataValue.md(announcements)}


def is_first_of_day(now: float, previous: float) -> bool:
    """Return whether the previous materialization, in seconds since 1970 like `now`, was on another day (UTC)."""
    return dt.datetime.fromtimestamp(now, dt.UTC).date() != dt.datetime.fromtimestamp(previous, dt.UTC).date()


def describe_announcements(notices: Collection[str]) -> str:
    """Return a Markdown list of the announcements, which are headers such as `name=…;info=URL;affected=true`."""
    return "\n".join(f"- {_describe(notice)}" for notice in sorted(notices))


def _describe(notice: str) -> str:
    fields = dict(part.strip().split("=", 1) for part in notice.split(";") if "=" in part)
    if not {"name", "info"} <= fields.keys():
        return notice
    affected = ", which affects the requests of this integration" if fields.get("affected") == "true" else ""
    return f"[{fields['name']}]({fields['info']}){affected}"
