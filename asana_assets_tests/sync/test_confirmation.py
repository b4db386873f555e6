"""Which stored children a response lacks, and how their absence is confirmed."""

import datetime as dt
import json

import pyarrow as pa

from asana_assets.asana.client import Page
from asana_assets.sync.confirmation import StoredChildren, listed_gids, prefers_records


def batch(*pairs: tuple[str, str]) -> pa.RecordBatch:
    gids, parents = zip(*pairs, strict=True)
    return pa.RecordBatch.from_pydict({"gid": list(gids), "parent_gid": list(parents)})


def test_stored_children_are_selected_by_parent_over_all_batches() -> None:
    batches = [batch(("1", "a"), ("2", "b")), batch(("3", "a"), ("4", "c"))]
    stored = StoredChildren.select(batches, pa.array(["a", "c", "d"]))
    assert (stored.of("a"), stored.of("b"), stored.of("c"), stored.of("d")) == ({"1", "3"}, set(), {"4"}, set())


def test_a_parent_without_stored_rows_has_no_stored_children() -> None:
    assert StoredChildren.select([], pa.array(["a"])).of("a") == set()


def test_listed_gids_ignore_records_that_cannot_be_identified() -> None:
    body = json.dumps({"data": [{"gid": "1"}, None, "text", {"gid": 2}, {"gid": "3"}]}).encode()
    page = Page(body=body, count=5, requested_at=dt.datetime.now(dt.UTC))
    assert list(listed_gids([page, page])) == ["1", "3", "1", "3"]


def test_records_are_fetched_only_if_that_costs_no_more_than_the_listing() -> None:
    assert prefers_records(missing=1, pages=1)
    assert prefers_records(missing=3, pages=3)
    assert not prefers_records(missing=2, pages=1)
