"""Route `tables`: after each materialization Snowflake sees what Iceberg holds.

Over HTTP, with the real connector, against an emulator whose tables change when they are refreshed and only then.
"""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
import snowflake.connector
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from snowflake.connector.errors import ProgrammingError

from asana_assets.asana.errors import ConfigurationError
from asana_assets.definitions import build_definitions
from asana_assets.defs.resources import LakeResource
from asana_assets.defs.snowflake import SnowflakeIcebergTables, compare_row_counts
from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.table import ensure_table
from asana_assets.sandbox import ENDPOINTS
from asana_assets_tests.support.snowflake_emulator import Emulator, emulating, refusing
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, complaints, failures, metadata

PASSWORD = "c0ffee"
LOGIN: dict[str, Any] = {"account": "organization-account", "user": "LAKE_SERVICE", "password": PASSWORD}
FIELDS: dict[str, Any] = LOGIN | {
    "database": "ASANA",
    "schema_name": "RAW",
    "external_volume": "LAKE_VOLUME",
    "catalog_integration": "LAKE_CATALOG",
    "wait_seconds": 0.0,
}
SETTINGS = {
    "SNOWFLAKE_ROUTE": "tables",
    "SNOWFLAKE_ACCOUNT": "organization-account",
    "SNOWFLAKE_USER": "LAKE_SERVICE",
    "SNOWFLAKE_PASSWORD": PASSWORD,
    "SNOWFLAKE_DATABASE": "asana",
    "SNOWFLAKE_SCHEMA": "raw",
    "SNOWFLAKE_EXTERNAL_VOLUME": "asana_volume",
    "SNOWFLAKE_CATALOG_INTEGRATION": "asana_catalog",
}

pytestmark = [
    pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result makes an extra copy"),  # fakesnow's, of DuckDB
    pytest.mark.timeout(100),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with emulating() as emulator:
        yield emulator


@pytest.fixture
def emulator(server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    monkeypatch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")  # the connector asks about it at fixed addresses
    server.clear(tmp_path)
    ask(server, "CREATE DATABASE IF NOT EXISTS ASANA", "DROP SCHEMA IF EXISTS ASANA.RAW", "CREATE SCHEMA ASANA.RAW")
    server.statements.clear()
    return server


def ask(emulator: Emulator, *statements: str) -> list[object]:
    """Give the first value that each statement answers."""
    login = LOGIN | emulator.connection | {"network_timeout": 5}
    with snowflake.connector.connect(**login) as connection, connection.cursor() as cursor:
        answers: list[Any] = []
        for statement in statements:
            cursor.execute(statement)
            answers.append(cursor.fetchone())
    return [answer[0] for answer in answers]


@pytest.fixture
def warehouse(make_warehouse: MakeWarehouse, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", PASSWORD)
    leads_there = {f"SNOWFLAKE_{name.upper()}": str(value) for name, value in emulator.connection.items()}
    return make_warehouse(SETTINGS | leads_there)


def sync(warehouse: Warehouse, *names: str) -> str:
    """Materialize the workspaces and these assets of one; its gid."""
    gid = warehouse.asana.organization.edge_cases["free_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    for result in (warehouse.run("refresh_workspaces"), warehouse.run("sync_workspace", gid, names)):
        assert result.success, failures(result)
        assert not [check for _, check in complaints(result) if check == "snowflake_row_count"]
    return gid


def seen(emulator: Emulator, *names: str) -> dict[str, object]:
    """Count the rows in Snowflake."""
    statements = [f'SELECT COUNT(*) FROM ASANA.RAW."{name.upper()}"' for name in names]  # noqa: S608 # our own names
    return dict(zip(names, ask(emulator, *statements), strict=True))


def stored(warehouse: Warehouse, *names: str) -> dict[str, object]:
    """Count the rows in Iceberg."""
    return {name: len(warehouse.rows(name)) for name in names}


@pytest.mark.slow
def test_after_a_sync_snowflake_has_every_row_of_all_fifteen_tables(warehouse: Warehouse, emulator: Emulator) -> None:
    sync(warehouse)
    refreshed = [statement.split(".")[2] for statement in emulator.statements if statement.endswith("REFRESH")]
    assert sorted(refreshed) == sorted(f'"{name.upper()}" REFRESH' for name in ENDPOINTS), "once each"
    counted = [statement for statement in emulator.statements if statement.startswith("SELECT COUNT")]
    assert len(counted) == len(ENDPOINTS), "by the checks"
    assert emulator.nodded == []
    assert seen(emulator, *ENDPOINTS) == stored(warehouse, *ENDPOINTS)


@pytest.mark.slow
def test_a_refresh_that_is_forgotten_is_seen_by_the_counts(warehouse: Warehouse, emulator: Emulator) -> None:
    gid = sync(warehouse, "projects")
    before = stored(warehouse, "projects")
    warehouse.asana.organization.add_project(gid, "Unseen")
    warehouse.settings["SNOWFLAKE_ROUTE"] = "horizon"
    assert warehouse.run("sync_workspace", gid, ["projects"]).success
    assert seen(emulator, "projects") == before == {"projects": 2}
    assert stored(warehouse, "projects") == {"projects": 3}

    warehouse.settings["SNOWFLAKE_ROUTE"] = "tables"
    resources = warehouse.definitions.resources or {}
    with dg.build_resources({name: resources[name] for name in ("lake", "snowflake")}) as opened:
        result = compare_row_counts("projects", opened.lake, opened.snowflake)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "Snowflake sees 2 rows, the Iceberg table has 3."

    sync(warehouse, "projects")
    assert seen(emulator, "projects") == {"projects": 3}


def test_a_refresh_that_fails_for_the_moment_is_tried_again_and_asana_is_not_asked_again(
    warehouse: Warehouse, emulator: Emulator
) -> None:
    sync(warehouse, "tags")
    asked = len(warehouse.asana.log)
    emulator.failures.append(ProgrammingError("Glue is busy.", errno=93660, sqlstate="XX000"))
    sync(warehouse, "tags")
    assert emulator.failures == []
    assert len(warehouse.asana.log) == 2 * asked
    assert seen(emulator, "tags") == stored(warehouse, "tags")


def test_a_refresh_that_is_refused_fails_the_step_with_a_sentence_and_the_next_run_repairs_it(
    warehouse: Warehouse, emulator: Emulator
) -> None:
    gid = sync(warehouse, "projects")
    warehouse.asana.organization.add_project(gid, "Unseen")
    emulator.failures.append(ProgrammingError(f"No right:\nnot for {PASSWORD}.", errno=3001, sqlstate="42501"))
    result = warehouse.run("sync_workspace", gid, ["projects"])
    says = "003001 (42501): No right: not for ***."
    assert failures(result) == {
        "projects": 'projects: the rows are stored, but Snowflake\'s table "ASANA"."RAW"."PROJECTS" could not be '
        f"refreshed: {says} The next materialization refreshes it."
    }
    [event] = result.filter_events(lambda event: event.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    told = {name: entry.value for name, entry in failure.metadata.items()}
    assert told == {"snowflake_table": '"ASANA"."RAW"."PROJECTS"', "snowflake_error": says}
    assert not [entry for entry in warehouse.instance.all_logs(result.run_id) if PASSWORD in str(entry)]
    assert (stored(warehouse, "projects"), seen(emulator, "projects")) == ({"projects": 3}, {"projects": 2})

    sync(warehouse, "projects")
    assert seen(emulator, "projects") == {"projects": 3}


def test_of_a_materialization_that_fails_half_way_snowflake_is_not_told(
    warehouse: Warehouse, emulator: Emulator
) -> None:
    gid = sync(warehouse, "projects")
    for row in warehouse.rows("projects", gid):  # whichever is asked first
        warehouse.asana.organization.post_status(str(row["gid"]), "News")
    sync(warehouse, "projects")
    warehouse.settings["ASANA_MAX_IN_FLIGHT"] = "1"  # so that one is read to its end before the next is refused
    warehouse.asana.add_fault("/status_updates", 400, skip=1)
    result = warehouse.run("sync_workspace", gid, ["status_updates"], checkpoint_rows=1)
    assert not result.success
    assert warehouse.rows("status_updates")
    assert not [statement for statement in emulator.statements if "STATUS_UPDATES" in statement]


def test_the_materialization_says_where_snowflake_has_it(warehouse: Warehouse) -> None:
    warehouse.settings["ASANA_WORKSPACES"] = warehouse.asana.organization.edge_cases["free_organization"]
    result = warehouse.run("refresh_workspaces")
    assert metadata(result, "workspaces")["snowflake_table"] == '"ASANA"."RAW"."WORKSPACES"'
    [check] = [one for one in result.get_asset_check_evaluations() if one.check_name == "snowflake_row_count"]
    assert {name: entry.value for name, entry in check.metadata.items()} == {
        "iceberg_rows": 1,
        "snowflake_row_count": 1,
    }


# --- without a sync


def resource(connection: dict[str, Any], **settings: Any) -> SnowflakeIcebergTables:
    fields: dict[str, Any] = FIELDS | {"connection": connection} | settings
    return SnowflakeIcebergTables(**fields)


@pytest.fixture
def tags(emulator: Emulator, tmp_path: Path) -> Emulator:
    """Let there be an Iceberg table."""
    columns = pa.schema([("gid", pa.string()), ("workspace_gid", pa.string())])
    ensure_table(open_catalog(data_dir=tmp_path), "asana", "tags", columns)
    return emulator


def test_a_refresh_is_given_up_after_so_many_tries(tags: Emulator) -> None:
    tags.failures = [ProgrammingError("Busy.", errno=93660, sqlstate="XX000") for _ in range(3)]
    with pytest.raises(dg.Failure, match="Busy"):
        resource(tags.connection, attempts=3).refresh("tags")
    assert tags.failures == []


def test_a_table_that_is_not_in_the_catalog_is_told_in_snowflakes_words(tags: Emulator) -> None:
    with pytest.raises(dg.Failure, match="not in the catalog"):
        resource(tags.connection, attempts=1).refresh("stories")


def test_rows_that_cannot_be_counted_are_a_warning_and_not_zero(tags: Emulator, tmp_path: Path) -> None:
    result = compare_row_counts("tags", LakeResource(data_dir=str(tmp_path)), resource(tags.connection))
    assert not result.passed
    assert result.description is not None
    assert result.description.startswith("The rows could not be counted: 002003 (42S02): ")


def test_a_key_pair_logs_in(tags: Emulator, tmp_path: Path) -> None:
    key = tmp_path / "key.p8"
    encryption = BestAvailableEncryption(PASSWORD.encode())
    private = generate_private_key(public_exponent=65537, key_size=2048)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    settings: dict[str, Any] = {"password": None, "private_key_path": str(key), "private_key_password": PASSWORD}
    assert resource(tags.connection, **settings).refresh("tags")["snowflake_table"] == '"ASANA"."RAW"."TAGS"'
    with pytest.raises(dg.Failure, match="the key in SNOWFLAKE_PRIVATE_KEY_PATH cannot be used: ") as refused:
        resource(tags.connection, **{**settings, "private_key_password": "wrong"}).refresh("tags")
    assert "wrong" not in str(refused.value.description)
    with pytest.raises(dg.Failure, match=r"SNOWFLAKE_PRIVATE_KEY_PATH cannot be used: .*No such file"):
        resource(tags.connection, **{**settings, "private_key_path": "/nonexistent"}).refresh("tags")


def test_a_login_that_is_refused_is_not_tried_again_because_that_locks_the_user_out() -> None:
    with (
        refusing() as (connection, logins),
        pytest.raises(dg.Failure, match="Incorrect username or password") as failed,
    ):
        resource(connection).refresh("tags")
    assert len(logins) == 1
    assert PASSWORD not in str(failed.value.description)


def test_where_nobody_answers_it_is_tried_again_and_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    connection = {"host": "127.0.0.1", "port": port, "protocol": "http", "login_timeout": 1}
    with pytest.raises(dg.Failure, match=r"could not be refreshed: .*connect"):
        resource(connection, attempts=2).refresh("tags")


# --- settings


@pytest.mark.parametrize("route", ["", "horizon", "linked-database"])
def test_the_other_routes_have_no_check_and_tell_snowflake_nothing(route: str) -> None:
    definitions = build_definitions(SETTINGS | {"SNOWFLAKE_ROUTE": route})
    assert definitions.asset_checks is None
    assert "snowflake" not in (definitions.resources or {})


def test_on_this_route_every_asset_has_the_check() -> None:
    graph = build_definitions(SETTINGS).resolve_asset_graph()
    checked = [key.asset_key.to_user_string() for key in graph.asset_check_keys if key.name == "snowflake_row_count"]
    assert sorted(checked) == sorted(ENDPOINTS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"SNOWFLAKE_ROUTE": "table"},
            "SNOWFLAKE_ROUTE is 'table', but must be one of horizon, linked-database, tables",
        ),
        (
            {"SNOWFLAKE_USER": "", "SNOWFLAKE_SCHEMA": ""},
            "SNOWFLAKE_ROUTE is tables, which needs SNOWFLAKE_USER, SNOWFLAKE_SCHEMA",
        ),
        ({"SNOWFLAKE_PASSWORD": ""}, "needs SNOWFLAKE_PRIVATE_KEY_PATH or SNOWFLAKE_PASSWORD, not both"),
        ({"SNOWFLAKE_PRIVATE_KEY_PATH": "key.p8"}, "needs SNOWFLAKE_PRIVATE_KEY_PATH or SNOWFLAKE_PASSWORD, not both"),
        ({"SNOWFLAKE_DATABASE": "my db"}, "SNOWFLAKE_DATABASE is 'my db', which is no name in Snowflake"),
        ({"SNOWFLAKE_EXTERNAL_VOLUME": "x'; --"}, 'SNOWFLAKE_EXTERNAL_VOLUME is "x\'; --", but must be a name'),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_when_the_definitions_load(
    changes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(sentence)):
        build_definitions(SETTINGS | changes)


def test_secrets_are_shown_by_their_settings_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", PASSWORD)
    shown = repr((build_definitions(SETTINGS).resources or {})["snowflake"])
    assert PASSWORD not in shown
    assert "organization-account" in shown
