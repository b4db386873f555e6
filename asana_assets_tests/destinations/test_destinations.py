"""The same test for every destination: full syncs, unchanged ones, ones after every kind of change, and maintenance."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.utils.config import Config

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets_tests.support.change_history import assert_history_leads_to, contents
from asana_assets_tests.support.destination import HORIZON, DestinationWarehouse
from asana_assets_tests.support.horizon import Horizon
from asana_assets_tests.support.moto_server import Aws
from asana_assets_tests.support.mutations import mutate, mutate_hidden, paid
from asana_assets_tests.support.postgres_server import Postgres
from asana_assets_tests.support.seaweedfs_server import Seaweed
from asana_assets_tests.support.sync_harness import MakeWarehouse

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.timeout(900),  # seconds; ten times what it takes on an idle machine
    # boto3 and psycopg close connections only when they are garbage-collected.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:.*while still open:ResourceWarning"),
]

Environment: TypeAlias = dict[str, str]


@pytest.fixture
def configure(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Environment]]:
    """A function that starts a destination, configures its catalog and returns the settings of this package."""
    with ExitStack() as stack:

        def sqlite() -> Environment:
            return {}

        def postgresql() -> Environment:
            server: Postgres = request.getfixturevalue("postgres")
            return {
                "PYICEBERG_CATALOG__ASANA__TYPE": "sql",
                "PYICEBERG_CATALOG__ASANA__URI": server.url(server.create_database()),
                "PYICEBERG_CATALOG__ASANA__WAREHOUSE": f"file://{tmp_path / 'files'}",
            }

        def glue() -> Environment:
            server: Aws = request.getfixturevalue("aws")
            return server.environment(server.create_bucket())

        def rest() -> Environment:
            server: Seaweed = request.getfixturevalue("seaweed")
            return server.environment("lake")

        def horizon() -> Environment:
            server = stack.enter_context(Horizon(request.getfixturevalue("seaweed"), "horizon"))
            stack.callback(lambda: assert_rejected_nothing(server))
            return {**server.environment(), **HORIZON}

        destinations = {function.__name__: function for function in (sqlite, postgresql, glue, rest, horizon)}

        def configure_destination(name: str) -> Environment:
            settings = destinations[name]()
            for key, value in settings.items():
                monkeypatch.setenv(key, value)
            return {key: value for key, value in settings.items() if key.startswith("ICEBERG_")}

        yield configure_destination


def assert_rejected_nothing(horizon: Horizon) -> None:
    assert horizon.rejections == []


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "glue", "rest", "horizon"])
def test_tables_match_asana_after_a_full_sync_a_sync_without_changes_and_a_sync_with_changes(
    name: str, make_warehouse: MakeWarehouse, configure: Callable[[str], Environment]
) -> None:
    warehouse = DestinationWarehouse.from_warehouse(make_warehouse(), configure(name))
    warehouse.sync()
    warehouse.assert_matches_asana()
    contents_before = contents(warehouse)

    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    first_rows = {
        endpoint.name: of_workspace(warehouse.table(endpoint.name), paid(warehouse)) for endpoint in STANDARD_ENDPOINTS
    }
    warehouse.sync()
    order: list[tuple[str, Literal["ascending", "descending"]]] = [("workspace_gid", "ascending"), ("gid", "ascending")]
    for table, before in first_rows.items():
        compared = [column for column in before.schema.names if column != "_synced_at"]
        after = of_workspace(warehouse.table(table), paid(warehouse))
        assert after.sort_by(order).select(compared).equals(before.sort_by(order).select(compared)), table

    mutate(warehouse)
    mutate_hidden(warehouse)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    assert_history_leads_to(warehouse, contents_before)

    may_delete = name != "horizon"
    assert maintained(warehouse, "tasks") == may_delete
    assert maintained(warehouse, "changes") == may_delete
    warehouse.assert_matches_asana(paid(warehouse))
    assert_history_leads_to(warehouse, contents_before)
    if name != "sqlite":  # PyIceberg alone does not know our default catalog
        catalog = load_catalog("asana", **cast("dict[str, str | None]", Config().get_catalog_config("asana")))
        assert_readable_by_pyiceberg(catalog, warehouse)


def maintained(warehouse: DestinationWarehouse, name: str) -> bool:
    """Add a file to a table's location that nothing references, maintain all tables; return whether it was removed."""
    table = warehouse.iceberg_table(name)
    snapshots = len(table.snapshots())
    with table.io.new_output(f"{table.location()}/data/left-over.parquet").create() as file:
        file.write(b"PAR1")
    lake = (warehouse.definitions.resources or {})["asana_lake"].iceberg
    assert {one.table for one in lake.maintain(remove_older_than=timedelta(days=-1))} >= {name, "sync_state"}
    lake.close()
    assert len(warehouse.iceberg_table(name).snapshots()) == snapshots
    return not table.io.new_input(f"{table.location()}/data/left-over.parquet").exists()


def of_workspace(rows: pa.Table, workspace_gid: str) -> pa.Table:
    return rows.filter(pc.equal(rows["workspace_gid"], pa.scalar(workspace_gid)))


def assert_readable_by_pyiceberg(catalog: Catalog, warehouse: DestinationWarehouse) -> None:
    """Assert that PyIceberg, configured by the environment only, reads the same rows, under names in the right case."""
    upper = warehouse.name_case == "upper"
    namespace = "ASANA" if upper else "asana"
    names = {endpoint.name for endpoint in STANDARD_ENDPOINTS} | {"sync_state", "changes"}
    if not upper:  # the backend of Horizon lists lower-case names
        assert {table for _, table in catalog.list_tables(namespace)} == names
    for name in names:
        rows = catalog.load_table((namespace, name.upper() if upper else name)).scan().to_arrow()
        expected = warehouse.table(name)
        assert rows.schema.names == [column.upper() if upper else column for column in expected.schema.names]
        gids = sorted(map(str, rows["GID" if upper else "gid"].to_pylist()))
        assert gids == sorted(map(str, expected["gid"].to_pylist()))


@pytest.mark.parametrize(
    ("heading", "name", "emulator_settings"),
    [
        ("PostgreSQL and files", "postgresql", set[str]()),
        (
            "AWS Glue and S3",
            "glue",
            {"CLIENT__ACCESS_KEY_ID", "CLIENT__SECRET_ACCESS_KEY", "GLUE__ENDPOINT", "S3__ENDPOINT"},
        ),
        ("An Iceberg REST catalog", "rest", set[str]()),
        ("Snowflake", "horizon", set[str]()),
    ],
)
def test_the_documentation_lists_exactly_the_settings_of_these_tests(
    heading: str, name: str, emulator_settings: set[str], configure: Callable[[str], Environment]
) -> None:
    """Only emulators need more settings: their address, and access keys that AWS tools would find by themselves."""
    settings = configure(name)
    page = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text()
    block = page.partition(f"\n## {heading}\n")[2].partition("```sh\n")[2].partition("```")[0]
    documented = set(re.findall(r"^export (\w+)=", block, re.MULTILINE))
    catalog = {key for key in os.environ if key.startswith("PYICEBERG_CATALOG__ASANA__")}
    needless = {f"PYICEBERG_CATALOG__ASANA__{name}" for name in emulator_settings}
    assert documented - {"ICEBERG_NAMESPACE"} == {*settings, *catalog} - needless
