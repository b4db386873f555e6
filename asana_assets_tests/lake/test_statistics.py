"""Counts of values from metadata are those of the stored rows."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asana_assets.lake.lake import Lake
from asana_assets.sync.values import count_values

SCHEMA = pa.schema(
    [
        ("workspace_gid", pa.string()),
        ("gid", pa.string()),
        ("_synced_at", pa.timestamp("us", "UTC")),
        ("due_on", pa.date32()),
        ("completed", pa.bool_()),
        ("tag_gids", pa.list_(pa.string())),
        (
            "custom_fields",
            pa.list_(pa.struct([("gid", pa.string()), ("number", pa.float64()), ("people", pa.list_(pa.string()))])),
        ),
    ]
)
TEXTS = st.one_of(st.none(), st.lists(st.sampled_from(["a", "b"]), max_size=3))
CUSTOM_FIELD = st.fixed_dictionaries(
    {"gid": st.just("7"), "number": st.sampled_from([None, 0.0, 1.5]), "people": TEXTS}
)
ROW = st.fixed_dictionaries(
    {
        "completed": st.sampled_from([None, True, False]),
        "tag_gids": TEXTS,
        "custom_fields": st.one_of(st.none(), st.lists(CUSTOM_FIELD, max_size=3)),
    }
)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(workspaces=st.lists(st.lists(ROW, max_size=8), min_size=2, max_size=2))
def test_values_are_counted_as_in_the_rows_whatever_is_null_or_empty(
    tmp_path: Path, workspaces: list[list[dict[str, Any]]]
) -> None:
    lake = Lake(data_dir=tmp_path, namespace="asana")
    table = lake.ensure_table("tasks", SCHEMA)
    for workspace, rows in enumerate(workspaces):
        keyed = [{**row, "gid": str(gid), "workspace_gid": str(workspace)} for gid, row in enumerate(rows)]
        batches = pa.Table.from_pylist(keyed, schema=SCHEMA).to_batches()
        lake.replace_partition(table, str(workspace), batches, sort_by=("gid",))
    for workspace in ("0", "1", None):
        rows = lake.scan(table, workspace=workspace)
        batch = pa.RecordBatch.from_pylist(rows.to_pylist(), schema=SCHEMA)
        assert lake.count_values(table, workspace=workspace) == count_values(batch)
    lake.close()


def test_a_column_that_older_files_lack_has_no_values_there(tmp_path: Path) -> None:
    lake = Lake(data_dir=tmp_path, namespace="asana", name_case="upper")
    for gid, schema in (("1", SCHEMA), ("2", SCHEMA.append(pa.field("mood", pa.string())))):
        table = lake.ensure_table("tasks", schema)
        row = pa.Table.from_pylist([{"gid": gid, "workspace_gid": gid, "mood": "fine"}], schema=schema)
        lake.replace_partition(table, gid, row.to_batches(), sort_by=("gid",))
    counts = [lake.count_values(table, workspace=workspace) for workspace in ("1", "2", None)]
    assert [(count["gid"], count["mood"]) for count in counts] == [(1, 0), (1, 1), (2, 1)]
    lake.close()
