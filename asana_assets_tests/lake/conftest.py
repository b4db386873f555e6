"""A real catalog: SQLite and local files in a temporary directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from asana_assets.lake.catalog import open_catalog


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def catalog(data_dir: Path) -> Iterator[Catalog]:
    opened = open_catalog(data_dir=data_dir)
    yield opened
    opened.close()
