"""From the pages of a search to the parents whose children changed."""

import datetime as dt
import json

import pyarrow as pa
import pytest

from asana_assets.asana.client import Page
from asana_assets.asana.endpoints import SUBTASKS
from asana_assets.sync.search_hits import changed_hits, changed_parents, decode_hits

LISTING = SUBTASKS.listings[0]
EARLIER = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def page(*hits: tuple[str, str | None, dt.datetime]) -> Page:
    """Build a page of hits, each given as gid, gid of the parent, and time of modification."""
    data = [
        {"gid": gid, "parent": parent and {"gid": parent}, "modified_at": modified_at.isoformat()}
        for gid, parent, modified_at in hits
    ]
    return Page(body=json.dumps({"data": data}).encode(), count=len(hits), requested_at=LATER)


def stored(*rows: tuple[str, str, int]) -> pa.Table:
    """Build stored rows, each given as gid, gid of the parent, and number of children; modified at `EARLIER`."""
    columns = {
        "gid": [gid for gid, _, _ in rows],
        "parent_gid": [parent for _, parent, _ in rows],
        "num_subtasks": [count for _, _, count in rows],
        "modified_at": [EARLIER] * len(rows),
    }
    return pa.table(columns, schema=pa.schema([SUBTASKS.schema.field(name) for name in columns]))


@pytest.mark.parametrize(
    ("hit", "is_changed"),
    [(("1", "9", EARLIER), False), (("1", "9", LATER), True), (("2", "9", EARLIER), True)],
    ids=["as stored", "modified", "not stored"],
)
def test_a_hit_is_changed_unless_it_is_stored_with_the_same_time(
    hit: tuple[str, str, dt.datetime],
    is_changed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert changed_hits(decode_hits([page(hit)]), stored(("1", "9", 0))).num_rows == is_changed


def test_a_hit_that_cannot_be_understood_hides_no_other() -> None:
    body = b"""{"data": [null, 1, "2", {"gid": null}, {"name": "no gid"}, {"gid": 7},
        {"gid": "1", "modified_at": "soon", "parent": "9"},
        {"gid": "2", "modified_at": "2026-01-02T00:00:00", "parent": {"gid": null}},
        {"gid": "3", "modified_at": "2026-01-02T00:00:00Z", "parent": {"gid": "8"}, "created_at": 5}]}"""
    hits = decode_hits([Page(body=body, count=9, requested_at=LATER)])
    assert hits.to_pylist() == [
        {"gid": "1", "parent_gid": None, "modified_at": None},
        {"gid": "2", "parent_gid": None, "modified_at": None},
        {"gid": "3", "parent_gid": "8", "modified_at": LATER},
    ]


def test_hits_of_all_pages_are_compared() -> None:
    pages = [page(("1", "9", EARLIER), ("2", "9", LATER)), page(), page(("3", "8", EARLIER))]
    changed = changed_hits(decode_hits(pages), stored(("1", "9", 0), ("2", "9", 0)))
    assert changed["gid"].to_pylist() == ["2", "3"]


def test_the_parent_of_a_changed_child_is_changed() -> None:
    hits = decode_hits([page(("1", "9", LATER), ("2", None, LATER))])
    assert changed_parents(LISTING, hits, stored()).to_pylist() == ["9"]


@pytest.mark.parametrize("count", [0, 4])
def test_a_row_with_a_new_child_is_fetched_again_with_its_siblings(count: int) -> None:
    hits = decode_hits([page(("3", "2", LATER))])
    assert changed_parents(LISTING, hits, stored(("2", "1", count))).to_pylist() == ["2", "1"]


def test_a_row_whose_child_has_changed_is_not_fetched_again() -> None:
    hits = decode_hits([page(("3", "2", LATER))])
    assert changed_parents(LISTING, hits, stored(("2", "1", 4), ("3", "2", 0))).to_pylist() == ["2"]
