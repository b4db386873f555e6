"""Each invalid setting of a catalog or its storage is reported in one line that names it and holds no secret."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pyarrow as pa
import pytest
import requests

from asana_assets.defs.resources import LakeResource
from asana_assets.lake.errors import LakeError
from asana_assets.sync.sync_state import SyncState
from asana_assets_tests.support.destination import HORIZON
from asana_assets_tests.support.horizon import DATABASE, Horizon
from asana_assets_tests.support.moto_server import REGION, Aws
from asana_assets_tests.support.postgres_server import Postgres
from asana_assets_tests.support.seaweedfs_server import Seaweed
from asana_assets_tests.support.sync_harness import MakeWarehouse, failures

pytestmark = [
    pytest.mark.destinations,
    # A catalog that failed to open is closed by the garbage collector only.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:.*while still open:ResourceWarning"),
]

P = "PYICEBERG_CATALOG__ASANA__"
UNREACHABLE = "http://127.0.0.1:1"  # a reserved port, on which nothing listens


def write(lake: LakeResource) -> None:
    """Create a table if there is none, write a file, commit it and read it."""
    rows = SyncState.rows(pa.array(["1"]), pa.array(["1"]), datetime.now(UTC))
    lake.save_state("probe", "1", rows, pa.array([], pa.string()))
    assert lake.load_state("probe", "1").parents.num_rows == 1


@pytest.fixture
def error_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that writes with invalid settings and returns the message; `fields` are those of the lake."""

    def fail(settings: dict[str, str], *secrets: str, lake: LakeResource | None = None, **fields: str) -> str:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(LakeError) as caught:
            write(lake or LakeResource(data_dir=str(tmp_path), **fields))  # pyright: ignore[reportArgumentType] - checked by the resource
        message = str(caught.value)
        assert "\n" not in message
        assert message.endswith(".")
        hidden = [value for name, value in settings.items() if "SECRET" in name or "CREDENTIAL" in name]
        assert not [secret for secret in [*hidden, *secrets] if secret in message]
        return message

    return fail


@pytest.fixture
def horizon(seaweed: Seaweed) -> Iterator[Horizon]:
    with Horizon(seaweed, "errors") as server:
        yield server


@contextmanager
def enforced_permissions(aws: Aws) -> Generator[None]:
    """Enforce authentication and permissions, which the AWS server otherwise does not."""
    requests.post(f"{aws.url}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        yield
    finally:
        requests.post(f"{aws.url}/moto-api/reset-auth", data=b"1000000000", timeout=10)


def test_an_unreachable_catalog_names_the_uri(error_message: Callable[..., str]) -> None:
    rest = {f"{P}TYPE": "rest", f"{P}URI": UNREACHABLE, f"{P}TOKEN": "hunter22"}
    assert f"The catalog did not respond; check {P}URI" in error_message(rest, "hunter22")
    sql = {f"{P}TYPE": "sql", f"{P}URI": "postgresql+psycopg://asana:hunter22@127.0.0.1:1/lake"}
    assert f"{P}URI" in error_message(sql, "hunter22")


def test_a_missing_bucket_names_the_warehouse(error_message: Callable[..., str], aws: Aws) -> None:
    assert f"The bucket does not exist; check {P}WAREHOUSE" in error_message(aws.environment("no-such-bucket"))


def test_a_bucket_unknown_to_the_catalog_names_the_namespace_and_the_warehouse(
    error_message: Callable[..., str], seaweed: Seaweed
) -> None:
    message = error_message(seaweed.environment() | {f"{P}WAREHOUSE": "s3://no-such-bucket"})
    assert "ICEBERG_NAMESPACE" in message
    assert f"{P}WAREHOUSE" in message


def test_a_missing_warehouse_is_named(error_message: Callable[..., str], aws: Aws) -> None:
    message = error_message(aws.environment("bucket") | {f"{P}WAREHOUSE": ""})
    assert f"{P}WAREHOUSE" in message


def test_keys_that_aws_rejects_are_named(error_message: Callable[..., str], aws: Aws) -> None:
    with enforced_permissions(aws):
        message = error_message(aws.environment("bucket"))
    assert message.startswith("AWS rejected the credentials, or they have expired; check AWS_ACCESS_KEY_ID")


def test_an_aws_role_without_permissions_is_reported(error_message: Callable[..., str], aws: Aws) -> None:
    iam = boto3.client(
        "iam",
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
    )
    iam.create_user(UserName="powerless")
    key = iam.create_access_key(UserName="powerless")["AccessKey"]
    iam.close()
    keys = {
        f"{P}CLIENT__ACCESS_KEY_ID": key["AccessKeyId"],
        f"{P}CLIENT__SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    with enforced_permissions(aws):
        message = error_message(aws.environment("bucket") | keys)
    assert message.startswith("The AWS role lacks a permission")


def test_an_invalid_credential_is_named(error_message: Callable[..., str], horizon: Horizon, seaweed: Seaweed) -> None:
    expected = f"rejected the credential; check {P}CREDENTIAL"
    assert expected in error_message(horizon.environment() | {f"{P}CREDENTIAL": "hunter22"})
    assert expected in error_message(seaweed.environment() | {f"{P}CREDENTIAL": "writer:hunter22"}, "hunter22")


def test_a_role_that_is_not_granted_names_the_scope(error_message: Callable[..., str], horizon: Horizon) -> None:
    message = error_message(horizon.environment() | {f"{P}SCOPE": "session:role:UNGRANTED"})
    assert f"refused a token for this role; check {P}SCOPE" in message


def test_a_missing_database_names_the_warehouse(error_message: Callable[..., str], horizon: Horizon) -> None:
    message = error_message(horizon.environment() | {f"{P}WAREHOUSE": DATABASE.lower()})
    assert f"{P}WAREHOUSE" in message


def test_a_missing_namespace_that_cannot_be_created_is_named(
    error_message: Callable[..., str], horizon: Horizon
) -> None:
    with horizon.without("schema"):
        message = error_message(horizon.environment(), namespace="nowhere", name_case="upper")
    assert message.startswith("Namespace NOWHERE does not exist and cannot be created; check ICEBERG_NAMESPACE")


def test_the_wrong_name_case_is_named(error_message: Callable[..., str], horizon: Horizon) -> None:
    assert "ICEBERG_NAME_CASE" in error_message(horizon.environment())


def test_a_credential_that_expires_while_the_lake_is_open_is_named(
    error_message: Callable[..., str], horizon: Horizon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in horizon.environment().items():
        monkeypatch.setenv(name, value)
    lake = LakeResource(data_dir=str(tmp_path), namespace="expiry", name_case="upper")
    write(lake)
    horizon.tokens.clear()  # an hour later
    write(lake)
    horizon.tokens.clear()
    old, horizon.pat = horizon.pat, "another"
    message = error_message({}, old, lake=lake)
    assert f"{P}CREDENTIAL" in message


def test_a_read_only_role_names_the_scope_and_the_credential(
    error_message: Callable[..., str], horizon: Horizon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in horizon.environment().items():
        monkeypatch.setenv(name, value)
    write(LakeResource(data_dir=str(tmp_path), namespace="readonly", name_case="upper"))
    with horizon.without("write"):
        message = error_message({}, horizon.pat, namespace="readonly", name_case="upper")
    assert message.startswith("The role lacks a privilege in the catalog")
    assert f"check {P}SCOPE and {P}CREDENTIAL" in message


def test_a_role_that_cannot_create_tables_names_the_privilege_and_the_scope(
    error_message: Callable[..., str], horizon: Horizon
) -> None:
    with horizon.without("create"):
        message = error_message(horizon.environment(), namespace="rights", name_case="upper")
    assert "CREATE ICEBERG TABLE" in message
    assert f"{P}SCOPE" in message


def test_a_credential_with_read_only_access_names_the_scope(
    error_message: Callable[..., str], seaweed: Seaweed
) -> None:
    message = error_message(seaweed.environment("spare") | {f"{P}CREDENTIAL": seaweed.reader})
    assert f"{P}SCOPE" in message


def test_a_read_only_database_names_the_uri(
    error_message: Callable[..., str], postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.create_database()
    settings = {f"{P}TYPE": "sql", f"{P}WAREHOUSE": f"file://{tmp_path}", f"{P}URI": postgres.url(database)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    write(LakeResource(data_dir=str(tmp_path)))
    postgres.execute("CREATE ROLE looker LOGIN PASSWORD 'hunter22'")
    postgres.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker", database)
    message = error_message({f"{P}URI": postgres.url(database, user="looker", password="hunter22")}, "hunter22")  # noqa: S106 - a server that lives for one test
    assert message.startswith(f"The catalog's database is not writable; check {P}URI")


def test_dagster_shows_the_same_message(
    make_warehouse: MakeWarehouse, horizon: Horizon, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (horizon.environment() | {f"{P}SCOPE": "session:role:UNGRANTED"}).items():
        monkeypatch.setenv(name, value)
    result = make_warehouse(HORIZON).run("refresh_workspaces")
    assert failures(result)["workspaces"].startswith("The catalog refused a token for this role; check")
