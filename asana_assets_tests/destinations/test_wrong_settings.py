"""Each wrong setting ends in one sentence that names it and holds no secret."""

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
    # A catalog that did not open has nobody to close it.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:.*while still open:ResourceWarning"),
]

P = "PYICEBERG_CATALOG__ASANA__"
NOBODY = "http://127.0.0.1:1"  # a port that nothing may listen on


def write(lake: LakeResource) -> None:
    """Make the lake create a table, if there is none, write a file, commit and read."""
    rows = SyncState.rows(pa.array(["1"]), pa.array(["1"]), datetime.now(UTC))
    lake.save_state("probe", "1", rows, pa.array([], pa.string()))
    assert lake.load_state("probe", "1").parents.num_rows == 1


@pytest.fixture
def sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Give a function that writes with settings and gives what it ends in; the names begin with `P` if in capitals."""

    def said(settings: dict[str, str], *secrets: str, lake: LakeResource | None = None, **ours: str) -> str:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(LakeError) as caught:
            write(lake or LakeResource(data_dir=str(tmp_path), **ours))  # pyright: ignore[reportArgumentType] # checked by the resource
        words = str(caught.value)
        assert "\n" not in words
        assert words.endswith(".")
        hidden = [value for name, value in settings.items() if "SECRET" in name or "CREDENTIAL" in name]
        assert not [secret for secret in [*hidden, *secrets] if secret in words]
        return words

    return said


@pytest.fixture
def horizon(seaweed: Seaweed) -> Iterator[Horizon]:
    with Horizon(seaweed, "errors") as server:
        yield server


@contextmanager
def strict(aws: Aws) -> Generator[None]:
    """Have AWS meanwhile know its users and what they may."""
    requests.post(f"{aws.url}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        yield
    finally:
        requests.post(f"{aws.url}/moto-api/reset-auth", data=b"1000000000", timeout=10)


def test_a_catalog_that_is_not_there(sentence: Callable[..., str]) -> None:
    rest = {f"{P}TYPE": "rest", f"{P}URI": NOBODY, f"{P}TOKEN": "hunter22"}
    assert f"The catalog did not respond; check {P}URI" in sentence(rest, "hunter22")
    sql = {f"{P}TYPE": "sql", f"{P}URI": "postgresql+psycopg://asana:hunter22@127.0.0.1:1/lake"}
    assert f"{P}URI" in sentence(sql, "hunter22")


def test_a_bucket_that_is_not_there(sentence: Callable[..., str], aws: Aws) -> None:
    assert f"The bucket does not exist; check {P}WAREHOUSE" in sentence(aws.environment("no-such-bucket"))


def test_a_bucket_that_is_no_catalog(sentence: Callable[..., str], seaweed: Seaweed) -> None:
    words = sentence(seaweed.environment() | {f"{P}WAREHOUSE": "s3://no-such-bucket"})
    assert "ICEBERG_NAMESPACE" in words
    assert f"{P}WAREHOUSE" in words


def test_no_warehouse(sentence: Callable[..., str], aws: Aws) -> None:
    words = sentence(aws.environment("bucket") | {f"{P}WAREHOUSE": ""})
    assert f"{P}WAREHOUSE" in words


def test_keys_that_aws_does_not_know(sentence: Callable[..., str], aws: Aws) -> None:
    with strict(aws):
        words = sentence(aws.environment("bucket"))
    assert words.startswith("AWS rejected the credentials, or they have expired; check AWS_ACCESS_KEY_ID")


def test_a_role_without_rights_in_aws(sentence: Callable[..., str], aws: Aws) -> None:
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
    with strict(aws):
        words = sentence(aws.environment("bucket") | keys)
    assert words.startswith("The AWS role lacks a permission")


def test_a_wrong_credential(sentence: Callable[..., str], horizon: Horizon, seaweed: Seaweed) -> None:
    wrong = f"rejected the credential; check {P}CREDENTIAL"
    assert wrong in sentence(horizon.environment() | {f"{P}CREDENTIAL": "hunter22"})
    assert wrong in sentence(seaweed.environment() | {f"{P}CREDENTIAL": "writer:hunter22"}, "hunter22")


def test_a_role_that_was_not_granted(sentence: Callable[..., str], horizon: Horizon) -> None:
    words = sentence(horizon.environment() | {f"{P}SCOPE": "session:role:SOMEBODY"})
    assert f"refused a token for this role; check {P}SCOPE" in words


def test_a_database_that_is_not_there(sentence: Callable[..., str], horizon: Horizon) -> None:
    words = sentence(horizon.environment() | {f"{P}WAREHOUSE": DATABASE.lower()})
    assert f"{P}WAREHOUSE" in words


def test_a_namespace_that_is_missing_and_may_not_be_created(sentence: Callable[..., str], horizon: Horizon) -> None:
    with horizon.without("schema"):
        words = sentence(horizon.environment(), namespace="nowhere", name_case="upper")
    assert words.startswith("Namespace NOWHERE does not exist and cannot be created; check ICEBERG_NAMESPACE")


def test_the_wrong_case(sentence: Callable[..., str], horizon: Horizon) -> None:
    assert "ICEBERG_NAME_CASE" in sentence(horizon.environment())


def test_a_credential_that_expires_while_the_lake_is_open(
    sentence: Callable[..., str], horizon: Horizon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in horizon.environment().items():
        monkeypatch.setenv(name, value)
    lake = LakeResource(data_dir=str(tmp_path), namespace="expiry", name_case="upper")
    write(lake)
    horizon.tokens.clear()  # an hour later
    write(lake)
    horizon.tokens.clear()
    old, horizon.pat = horizon.pat, "another"
    words = sentence({}, old, lake=lake)
    assert f"{P}CREDENTIAL" in words


def test_a_role_that_may_only_read(
    sentence: Callable[..., str], horizon: Horizon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in horizon.environment().items():
        monkeypatch.setenv(name, value)
    write(LakeResource(data_dir=str(tmp_path), namespace="readonly", name_case="upper"))
    with horizon.without("write"):
        words = sentence({}, horizon.pat, namespace="readonly", name_case="upper")
    assert words.startswith("The role lacks a privilege in the catalog")
    assert f"check {P}SCOPE and {P}CREDENTIAL" in words


def test_a_role_that_may_not_create_tables(sentence: Callable[..., str], horizon: Horizon) -> None:
    with horizon.without("create"):
        words = sentence(horizon.environment(), namespace="rights", name_case="upper")
    assert "CREATE ICEBERG TABLE" in words
    assert f"{P}SCOPE" in words


def test_a_catalog_that_is_read_only_for_the_credential(sentence: Callable[..., str], seaweed: Seaweed) -> None:
    words = sentence(seaweed.environment("spare") | {f"{P}CREDENTIAL": seaweed.reader})
    assert f"{P}SCOPE" in words


def test_a_database_that_is_read_only(
    sentence: Callable[..., str], postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.create_database()
    settings = {f"{P}TYPE": "sql", f"{P}WAREHOUSE": f"file://{tmp_path}", f"{P}URI": postgres.url(database)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    write(LakeResource(data_dir=str(tmp_path)))
    postgres.execute("CREATE ROLE looker LOGIN PASSWORD 'hunter22'")
    postgres.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker", database)
    words = sentence({f"{P}URI": postgres.url(database, user="looker", password="hunter22")}, "hunter22")  # noqa: S106 # of a server that lives for one test
    assert words.startswith(f"The catalog's database is not writable; check {P}URI")


def test_dagster_shows_the_same_sentence(
    make_warehouse: MakeWarehouse, horizon: Horizon, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (horizon.environment() | {f"{P}SCOPE": "session:role:SOMEBODY"}).items():
        monkeypatch.setenv(name, value)
    result = make_warehouse(HORIZON).run("refresh_workspaces")
    assert failures(result)["workspaces"].startswith("workspaces: The catalog refused a token for this role; check")
