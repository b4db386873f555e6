"""Where a sync is, and how many requests follow, as the progress displays show them."""

import pytest

from asana_assets.asana.endpoints import ENDPOINTS, SECTIONS, STORIES, SUBTASKS
from asana_assets.asana.model import Endpoint
from asana_assets.cli.sync_progress import Outlook, describe_result
from asana_assets.sync.extract import ExtractStats


def outlook(*pending: Endpoint, never_synced: bool = True, **rows: int) -> Outlook:
    names = [endpoint.name for endpoint in ENDPOINTS] if never_synced else []
    return Outlook({endpoint.name: endpoint for endpoint in pending}, names, rows)


def test_in_a_first_sync_each_parent_takes_one_request() -> None:
    assert outlook(STORIES, SECTIONS, tasks=1_000, subtasks=200, projects=7).requests() == 1_207


@pytest.mark.parametrize(
    "unknown",
    [
        outlook(STORIES, tasks=1_000),
        outlook(STORIES, never_synced=False, tasks=1_000, subtasks=200),
        outlook(SUBTASKS, tasks=1_000),
    ],
    ids=["parents that are not synced yet", "parents that may be unchanged", "parents of any level"],
)
def test_what_only_requests_can_show_is_unknown(unknown: Outlook) -> None:
    assert unknown.requests() is None


def test_a_listing_that_every_sync_fetches_is_known_later_too() -> None:
    assert outlook(SECTIONS, never_synced=False, projects=7).requests() == 7


def test_an_unchanged_asset_is_not_called_empty() -> None:
    assert describe_result(ExtractStats(parents=7), 0.12) == "unchanged, 0.1 s"
    assert describe_result(ExtractStats(parents=7, parents_stale=1, rows=1), 0.12) == (
        "1 row fetched, 0 requests, 0.1 s"
    )
