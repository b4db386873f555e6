"""Comments in catalogs that treat them specially: Glue stores its own copy, and Horizon may refuse them."""

import logging
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from asana_assets.asana.endpoints import SECTIONS
from asana_assets.lake.lake import Lake
from asana_assets_tests.support.horizon import Horizon
from asana_assets_tests.support.moto_server import Aws
from asana_assets_tests.support.seaweedfs_server import Seaweed

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # boto3 closes connections when garbage-collected
]

COMMENT = (SECTIONS.schema.metadata or {})[b"comment"].decode()
WITHOUT_COMMENTS = pa.schema([field.remove_metadata() for field in SECTIONS.schema])


@pytest.mark.parametrize("existing", [False, True])
def test_glue_shows_the_comments_of_new_and_existing_tables(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, existing: bool
) -> None:
    for name, value in aws.environment(aws.create_bucket()).items():
        monkeypatch.setenv(name, value)
    namespace = "existing" if existing else "new"
    if existing:
        Lake(data_dir=tmp_path, namespace=namespace).ensure_table("sections", WITHOUT_COMMENTS)
    lake = Lake(data_dir=tmp_path, namespace=namespace)
    lake.ensure_table("sections", SECTIONS.schema)
    shown = cast("GlueCatalog", lake.catalog).glue.get_table(DatabaseName=namespace, Name="sections")["Table"]
    assert shown.get("Description") == COMMENT
    comments = {column["Name"]: column.get("Comment") for column in shown["StorageDescriptor"]["Columns"]}
    assert comments == {field.name: (field.metadata or {})[b"doc"].decode() for field in SECTIONS.schema}


def test_a_role_that_does_not_own_a_table_can_use_it_without_its_comments(
    seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Horizon(seaweed, "flow") as horizon, caplog.at_level(logging.WARNING):
        for name, value in horizon.environment().items():
            monkeypatch.setenv(name, value)
        Lake(data_dir=tmp_path, namespace="asana", name_case="upper").ensure_table("sections", WITHOUT_COMMENTS)
        lake = Lake(data_dir=tmp_path, namespace="asana", name_case="upper")
        with horizon.without("own"):
            assert "comment" not in lake.ensure_table("sections", SECTIONS.schema).properties
        assert "ASANA.SECTIONS could not be updated" in caplog.text
        owner = Lake(data_dir=tmp_path, namespace="asana", name_case="upper")
        assert owner.ensure_table("sections", SECTIONS.schema).properties["comment"] == COMMENT
