"""Each destination takes the same suite: a whole sync, one without changes, one after every kind of change."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.utils.config import Config

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets_tests.support.destination import HORIZON, Landed
from asana_assets_tests.support.horizon import Horizon
from asana_assets_tests.support.moto_server import Aws
from asana_assets_tests.support.mutations import mutate, mutate_hidden, paid
from asana_assets_tests.support.postgres_server import Postgres
from asana_assets_tests.support.seaweedfs_server import Seaweed
from asana_assets_tests.support.sync_harness import MakeWarehouse

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.timeout(900),  # seconds; a tenth of it on a machine that has nothing else to do
    # boto3 and psycopg close a connection when it is forgotten.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:.*while still open:ResourceWarning"),
]

Environment: TypeAlias = dict[str, str]


@pytest.fixture
def configured(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Environment]]:
    """Give a function that starts a destination and configures its catalog; it gives our own settings."""
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
            return {**server.environment(), **HORIZON}

        starts = {start.__name__: start for start in (sqlite, postgresql, glue, rest, horizon)}

        def configure(name: str) -> Environment:
            settings = starts[name]()
            for key, value in settings.items():
                monkeypatch.setenv(key, value)
            return {key: value for key, value in settings.items() if key.startswith("ICEBERG_")}

        yield configure


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "glue", "rest", "horizon"])
def test_tables_are_the_truth_after_a_whole_sync_unchanged_by_a_second_and_true_again_after_changes(
    name: str, make_warehouse: MakeWarehouse, configured: Callable[[str], Environment]
) -> None:
    landed = Landed.of(make_warehouse(), configured(name))
    landed.sync()
    landed.assert_true()

    landed.settings["ASANA_WORKSPACES"] = paid(landed)
    first = {endpoint.name: of_workspace(landed.table(endpoint.name), paid(landed)) for endpoint in ENDPOINTS}
    landed.sync()
    order: list[tuple[str, Literal["ascending", "descending"]]] = [("workspace_gid", "ascending"), ("gid", "ascending")]
    for table, before in first.items():
        same = [column for column in before.schema.names if column != "_synced_at"]
        after = of_workspace(landed.table(table), paid(landed))
        assert after.sort_by(order).select(same).equals(before.sort_by(order).select(same)), table

    mutate(landed)
    mutate_hidden(landed)
    landed.sync()
    landed.assert_true(paid(landed))
    if name != "sqlite":  # whose catalog is ours alone to find
        catalog = load_catalog("asana", **cast("dict[str, str | None]", Config().get_catalog_config("asana")))
        assert_read_by_others(catalog, landed)


def of_workspace(rows: pa.Table, workspace_gid: str) -> pa.Table:
    return rows.filter(pc.equal(rows["workspace_gid"], pa.scalar(workspace_gid)))


def assert_read_by_others(catalog: Catalog, landed: Landed) -> None:
    """PyIceberg alone, configured by the environment alone, reads the same rows under the names of that case."""
    upper = landed.name_case == "upper"
    namespace = "ASANA" if upper else "asana"
    names = {endpoint.name for endpoint in ENDPOINTS} | {"sync_state"}
    if not upper:  # the server behind Horizon has no upper-case names to list
        assert {table for _, table in catalog.list_tables(namespace)} == names
    for name in names:
        rows = catalog.load_table((namespace, name.upper() if upper else name)).scan().to_arrow()
        ours = landed.table(name)
        assert rows.schema.names == [column.upper() if upper else column for column in ours.schema.names]
        mine = sorted(map(str, ours["gid"].to_pylist()))
        assert sorted(map(str, rows["GID" if upper else "gid"].to_pylist())) == mine


@pytest.mark.parametrize(
    ("heading", "name", "emulated"),
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
def test_the_page_has_a_user_set_what_is_set_here(
    heading: str, name: str, emulated: set[str], configured: Callable[[str], Environment]
) -> None:
    """The emulators alone need more: where they are, and keys that AWS's own tools would find."""
    ours = configured(name)
    page = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text()
    block = page.partition(f"\n## {heading}\n")[2].partition("```sh\n")[2].partition("```")[0]
    told = set(re.findall(r"^export (\w+)=", block, re.MULTILINE))
    catalog = {key for key in os.environ if key.startswith("PYICEBERG_CATALOG__ASANA__")}
    assert told - {"ICEBERG_NAMESPACE"} == {*ours, *catalog} - {f"PYICEBERG_CATALOG__ASANA__{end}" for end in emulated}
