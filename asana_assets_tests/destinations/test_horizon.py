"""Requests to Snowflake's Horizon catalog, and the restrictions that its fake enforces."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import BadRequestError, ForbiddenError

from asana_assets.defs.resources import LakeResource
from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.errors import CatalogRefusedError
from asana_assets.lake.table import ensure_table
from asana_assets.sync.sync_state import SyncState
from asana_assets_tests.support.horizon import DATABASE, Horizon, key_pair_token
from asana_assets_tests.support.seaweedfs_server import Seaweed

pytestmark = pytest.mark.destinations

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SCHEMA = pa.schema(
    [
        pa.field("workspace_gid", pa.string(), nullable=False),
        pa.field("gid", pa.string(), nullable=False),
        pa.field("_synced_at", pa.timestamp("us", "UTC")),
    ]
)
UPPER = pa.schema([("GID", pa.string())])


@pytest.fixture
def horizon(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Horizon]:
    with Horizon(seaweed, "flow", KEY.public_key()) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def lake(horizon: Horizon, tmp_path: Path) -> LakeResource:
    del horizon
    return LakeResource(data_dir=str(tmp_path), name_case="upper", expire_snapshots=False)


@pytest.fixture
def catalog(lake: LakeResource) -> Catalog:
    return lake.catalog


def test_requests_start_with_token_and_configuration_and_stay_within_the_database(
    horizon: Horizon, lake: LakeResource
) -> None:
    rows = SyncState.rows(pa.array(["1"]), pa.array(["1"]), datetime.now(UTC))
    lake.save_state("probe", "1", rows, pa.array([], pa.string()))
    assert horizon.log[:2] == ["POST /v1/oauth/tokens", "GET /v1/config"]
    others = [entry for entry in horizon.log[2:] if not entry.split()[1].startswith(f"/v1/{DATABASE}/namespaces")]
    assert set(others) <= {"POST /v1/oauth/tokens"}  # tokens are renewed now and then
    assert f"POST /v1/{DATABASE}/namespaces/ASANA/tables" in horizon.log
    assert horizon.rejections == []
    table = lake.table("sync_state")
    assert table is not None
    assert "s3.session-token" in table.io.properties  # vended: no keys are configured
    assert {field.name for field in table.schema().fields} >= {"GID", "WORKSPACE_GID", "_SYNCED_AT"}


@pytest.mark.parametrize(
    ("seconds", "signed_seconds_ago", "accepted"), [(3600, 0, True), (7200, 0, False), (3600, 4000, False)]
)
def test_a_key_pair_token_is_accepted_for_at_most_an_hour(
    horizon: Horizon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seconds: int,
    signed_seconds_ago: int,
    accepted: bool,
) -> None:
    token = key_pair_token(KEY, "fingerprint", seconds=seconds, now=time.time() - signed_seconds_ago)
    monkeypatch.setenv("PYICEBERG_CATALOG__ASANA__CREDENTIAL", token)
    if accepted:
        open_catalog(data_dir=tmp_path, name_case="upper").close()
        return
    with pytest.raises(CatalogRefusedError, match="PYICEBERG_CATALOG__ASANA__CREDENTIAL") as caught:
        open_catalog(data_dir=tmp_path, name_case="upper")
    assert token not in str(caught.value)
    assert horizon.rejections == ["the credential is invalid or has expired"]


def test_only_the_owner_of_a_table_may_add_columns(horizon: Horizon, catalog: Catalog) -> None:
    ensure_table(catalog, "asana", "owned", SCHEMA)
    wider = SCHEMA.append(pa.field("note", pa.string()))
    with horizon.without("own"), pytest.raises(CatalogRefusedError, match="OWNERSHIP"):
        ensure_table(catalog, "asana", "owned", wider)
    names = [field.name for field in ensure_table(catalog, "asana", "owned", wider).schema().fields]
    assert names == ["WORKSPACE_GID", "GID", "_SYNCED_AT", "NOTE"]


def _lower_namespace(catalog: Catalog) -> None:
    catalog.create_namespace("lower")


def _lower_table(catalog: Catalog) -> None:
    catalog.create_table("FORBIDDEN.lower", UPPER)


def _lower_column(catalog: Catalog) -> None:
    catalog.create_table("FORBIDDEN.T", pa.schema([("gid", pa.string())]))


def _location(catalog: Catalog) -> None:
    catalog.create_table("FORBIDDEN.T", UPPER, location="s3://mine/t")


def _staged(catalog: Catalog) -> None:
    catalog.create_table_transaction("FORBIDDEN.T", UPPER).commit_transaction()


def _branch(catalog: Catalog) -> None:
    table = catalog.load_table("FORBIDDEN.TWICE")
    snapshot = table.snapshots()[0].snapshot_id
    table.manage_snapshots().create_branch(snapshot_id=snapshot, branch_name="audit").commit()


def _rollback(catalog: Catalog) -> None:
    table = catalog.load_table("FORBIDDEN.TWICE")
    table.manage_snapshots().rollback_to_snapshot(table.snapshots()[0].snapshot_id).commit()


def _expire(catalog: Catalog) -> None:
    table = catalog.load_table("FORBIDDEN.TWICE")
    table.maintenance.expire_snapshots().by_id(table.snapshots()[0].snapshot_id).commit()


@pytest.mark.parametrize(
    "operation", [_lower_namespace, _lower_table, _lower_column, _location, _staged, _branch, _rollback, _expire]
)
def test_the_fake_rejects_what_horizon_rejects(
    horizon: Horizon, catalog: Catalog, operation: Callable[[Catalog], None]
) -> None:
    if not catalog.namespace_exists("FORBIDDEN"):
        catalog.create_namespace("FORBIDDEN")
        table = catalog.create_table("FORBIDDEN.TWICE", UPPER)
        for _ in range(2):
            table.append(pa.table({"GID": ["1"]}))
    assert horizon.rejections == []
    with pytest.raises((BadRequestError, ForbiddenError)):
        operation(catalog)
    assert len(horizon.rejections) == 1
