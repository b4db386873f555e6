from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from asana_assets.asana.redaction import redacted
from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.errors import CatalogUnavailableError


def test_without_configuration_the_catalog_lives_in_the_data_directory(data_dir: Path, catalog: Catalog) -> None:
    assert catalog.name == "asana"
    assert (data_dir / "catalog.db").is_file()
    assert (data_dir / "warehouse").is_dir()


def test_the_data_directorys_path_may_contain_blanks_and_percent_signs(tmp_path: Path) -> None:
    opened = open_catalog(data_dir=tmp_path / "my data 100%")
    opened.create_namespace("asana")
    assert opened.namespace_exists("asana")
    assert (tmp_path / "my data 100%" / "catalog.db").is_file()
    opened.close()


def test_an_error_for_an_unwritable_data_directory_names_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogUnavailableError, match=r"^The data directory .*file/data cannot .*ASANA_DATA_DIR.*\.$"):
        open_catalog(data_dir=tmp_path / "file" / "data")


def test_an_error_for_a_file_that_is_not_a_catalog_names_its_setting(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "catalog.db").write_text("this is not a database" * 100)
    with pytest.raises(CatalogUnavailableError, match="ASANA_DATA_DIR"):
        open_catalog(data_dir=data_dir)


def test_pyicebergs_environment_takes_precedence_over_the_data_directory(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__ASANA__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__ASANA__URI", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.setenv("PYICEBERG_CATALOG__ASANA__WAREHOUSE", f"file://{tmp_path}")
    open_catalog(data_dir=data_dir).close()
    assert (tmp_path / "other.db").is_file()
    assert not data_dir.exists()


def test_a_catalog_with_another_name_is_opened_with_its_own_and_the_given_properties(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__ASANA__URI", "sqlite:///not/this/one.db")
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__WAREHOUSE", "file:///overridden")
    properties = {"uri": f"sqlite:///{tmp_path / 'other.db'}", "warehouse": f"file://{tmp_path}"}
    catalog = open_catalog(data_dir=data_dir, name="lake", properties=properties)
    assert catalog.name == "lake"
    assert catalog.properties["warehouse"] == f"file://{tmp_path}"
    assert (tmp_path / "other.db").is_file()
    catalog.close()


def test_an_error_of_a_catalog_with_another_name_names_its_settings(data_dir: Path) -> None:
    with pytest.raises(CatalogUnavailableError, match=r"no catalog 'lake'; set PYICEBERG_CATALOG__LAKE__\*"):
        open_catalog(data_dir=data_dir, name="lake")
    with pytest.raises(CatalogUnavailableError, match="PYICEBERG_CATALOG__LAKE__URI"):
        open_catalog(data_dir=data_dir, name="lake", properties={"type": "rest", "uri": "http://127.0.0.1:9"})
    assert not data_dir.exists()


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg9://asana:hunter22@db.example/iceberg",
        "asana:hunter22@db.example/iceberg",
        "sqlite:////asana:hunter22@nowhere/catalog.db",
    ],
)
def test_an_error_for_a_catalog_that_cannot_be_opened_names_its_settings_and_no_password(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__ASANA__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__ASANA__URI", uri)
    with pytest.raises(CatalogUnavailableError, match="PYICEBERG_CATALOG__ASANA__") as caught:
        open_catalog(data_dir=data_dir)
    assert "hunter22" not in str(caught.value)
    assert caught.value.__suppress_context__  # a traceback shows only the message


def test_redaction_removes_userinfo_and_the_given_secrets() -> None:
    text = "could not reach https://me:p/w@host/x with s3cret\nsecond line"
    assert redacted(text, ["s3cret"]) == "could not reach ***@host/x with ***"
