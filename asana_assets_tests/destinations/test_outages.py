"""Syncs while the object store is out of service: once it is back, one plain run makes everything true."""

import random
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from pyiceberg.catalog import Catalog

from asana_assets.lake.catalog import open_catalog
from asana_assets_tests.support.change_history import assert_history_leads_to, contents
from asana_assets_tests.support.moto_server import REGION, Aws
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.random_changes import change_at_random
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures
from asana_assets_tests.support.unreferenced import references
from asana_assets_tests.support.unreliable_s3 import UnreliableS3

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.timeout(900),  # seconds; several times what it takes on an idle machine
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # boto3 closes connections when garbage-collected
]

SYNCS = 5


def unreferenced_objects(aws: Aws, bucket: str, catalog: Catalog) -> set[str]:
    """Return the objects that nothing references, without those that stand for empty folders, which Arrow creates."""
    s3 = boto3.client(
        "s3",
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
    )
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    found = {f"s3://{bucket}/{one.get('Key')}" for page in pages for one in page.get("Contents", [])}
    found = {location for location in found if not location.endswith("/")}
    referenced = references(catalog)
    assert referenced <= found
    return found - referenced


def sync(warehouse: Warehouse) -> str:
    """Sync the paid organization; return the errors."""
    return str(failures(warehouse.run("sync_workspace", paid(warehouse))) or "")


def test_tables_and_history_are_true_after_outages_of_s3_during_syncs_of_changes(
    make_warehouse: MakeWarehouse, aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = aws.create_bucket()
    generator = random.Random(503)  # noqa: S311 - a seeded test
    with UnreliableS3() as s3:
        for name, value in {**aws.environment(bucket), "PYICEBERG_CATALOG__ASANA__S3__ENDPOINT": s3.url}.items():
            monkeypatch.setenv(name, value)
        warehouse = make_warehouse()
        warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
        warehouse.sync()
        before = contents(warehouse)
        errors = list[str]()
        while len(errors) < SYNCS:
            change_at_random(warehouse.asana, generator)
            s3.fail_after(generator.randint(1, 600))
            if error := sync(warehouse):
                errors.append(error)
            s3.recover()
        assert sync(warehouse) == ""
        warehouse.assert_matches_asana(paid(warehouse))
        assert_history_leads_to(warehouse, before)
        lake = (warehouse.definitions.resources or {})["asana_lake"].iceberg
        list(lake.maintain(remove_older_than=timedelta(days=-1)))
        warehouse.assert_matches_asana(paid(warehouse))
        assert unreferenced_objects(aws, bucket, open_catalog(data_dir=tmp_path)) == set()
        assert s3.refused
