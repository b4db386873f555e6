"""Settings: parsing, error messages and the secrecy of secrets."""

from pathlib import Path

import pytest

from asana_assets.asana.errors import ConfigurationError
from asana_assets.settings import Settings, load_env_file
from asana_assets.snowflake.sql import Route

TABLES = {
    "SNOWFLAKE_ROUTE": "tables",
    "SNOWFLAKE_ACCOUNT": "organization-account",
    "SNOWFLAKE_USER": "LAKE_SERVICE",
    "SNOWFLAKE_PRIVATE_KEY_PATH": "key.p8",
    "SNOWFLAKE_DATABASE": "asana",
    "SNOWFLAKE_SCHEMA": "raw",
    "SNOWFLAKE_EXTERNAL_VOLUME": "asana_volume",
    "SNOWFLAKE_CATALOG_INTEGRATION": "asana_catalog",
}


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_every_setting_is_optional() -> None:
    assert Settings().model_fields_set == set()


def test_settings_are_read_from_the_environment_and_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch,
        ASANA_REQUESTS_PER_SECOND="2.4",
        ASANA_MAX_IN_FLIGHT="50",
        ASANA_WORKSPACES="1, 2,,3",
        ASANA_CHANGES="off",
        ASANA_CHANGES_RETENTION_DAYS="90",
        ICEBERG_NAME_CASE="upper",
        ICEBERG_EXPIRE_SNAPSHOTS="false",
        SNOWFLAKE_ROUTE="linked-database",
        SNOWFLAKE_PORT="443",
    )
    assert found.asana_requests_per_second == 2.4
    assert found.asana_max_in_flight == 50
    assert found.asana_workspaces == ("1", "2", "3")
    assert found.asana_changes is False
    assert found.asana_changes_retention_days == 90
    assert found.iceberg_name_case == "upper"
    assert found.iceberg_expire_snapshots is False
    assert found.snowflake_route is Route.LINKED_DATABASE
    assert found.snowflake_port == 443


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = {name.upper(): "" for name in Settings.model_fields}
    assert settings(monkeypatch, **empty).model_fields_set == set()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("ASANA_BASE_URL", "asana", "an http or https URL"),
        ("ASANA_BASE_URL", "ftp://asana", "an http or https URL"),
        ("ASANA_REQUESTS_PER_SECOND", "fast", "a number greater than 0"),
        ("ASANA_REQUESTS_PER_SECOND", "0", "a number greater than 0"),
        ("ASANA_REQUESTS_PER_SECOND", "nan", "a number greater than 0"),
        ("ASANA_MAX_IN_FLIGHT", "many", "an integer from 1 to 50"),
        ("ASANA_MAX_IN_FLIGHT", "0", "an integer from 1 to 50"),
        ("ASANA_MAX_IN_FLIGHT", "51", "an integer from 1 to 50"),
        ("ASANA_ARCHIVED_PROJECTS", "no", "include or exclude"),
        ("ASANA_CHANGES", "some", "on or off"),
        ("ASANA_CHANGES_RETENTION_DAYS", "0", "an integer from 1 to 36500"),
        ("ICEBERG_NAME_CASE", "title", "lower or upper"),
        ("ICEBERG_EXPIRE_SNAPSHOTS", "never", "true or false"),
        ("SNOWFLAKE_ROUTE", "table", "one of horizon, linked-database, tables"),
        ("SNOWFLAKE_PORT", "https", "an integer from 1 to 65535"),
        ("SNOWFLAKE_PROTOCOL", "tcp", "http or https"),
    ],
)
def test_an_invalid_value_is_one_sentence_that_names_the_setting_the_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(monkeypatch, **{name: value})
    assert str(caught.value) == f"{name} is '{value}', but must be {allowed}"
    assert caught.value.__suppress_context__  # without pydantic's traceback


def test_all_invalid_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(monkeypatch, ASANA_MAX_IN_FLIGHT="0", ICEBERG_NAME_CASE="title")
    assert str(caught.value) == (
        "ASANA_MAX_IN_FLIGHT is '0', but must be an integer from 1 to 50; "
        "ICEBERG_NAME_CASE is 'title', but must be lower or upper"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"SNOWFLAKE_USER": "", "SNOWFLAKE_SCHEMA": ""},
            "SNOWFLAKE_ROUTE is tables, which needs SNOWFLAKE_USER, SNOWFLAKE_SCHEMA",
        ),
        (
            {"SNOWFLAKE_PRIVATE_KEY_PATH": ""},
            "SNOWFLAKE_ROUTE is tables, which needs SNOWFLAKE_PRIVATE_KEY_PATH or SNOWFLAKE_PASSWORD, not both",
        ),
        (
            {"SNOWFLAKE_PASSWORD": "hunter22"},
            "SNOWFLAKE_ROUTE is tables, which needs SNOWFLAKE_PRIVATE_KEY_PATH or SNOWFLAKE_PASSWORD, not both",
        ),
    ],
)
def test_route_tables_names_the_settings_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    assert settings(monkeypatch, **TABLES).snowflake_route is Route.TABLES
    with pytest.raises(ConfigurationError) as caught:
        settings(monkeypatch, **changes)
    assert str(caught.value) == message


def test_other_routes_need_no_snowflake_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch, SNOWFLAKE_ROUTE="horizon").snowflake_account is None


def test_secrets_are_in_no_repr_and_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "ASANA_ACCESS_TOKEN": "hunter22",
        "ASANA_PACER_URL": "postgresql://asana:hunter22@database/asana",
        "SNOWFLAKE_PASSWORD": "hunter22",
        "SNOWFLAKE_PRIVATE_KEY_PASSWORD": "hunter22",
    }
    assert "hunter22" not in repr(settings(monkeypatch, **secrets))
    with pytest.raises(ConfigurationError) as caught:
        settings(monkeypatch, SNOWFLAKE_ROUTE="tables", ICEBERG_NAME_CASE="title")
    assert "hunter22" not in str(caught.value)


def test_without_a_pacer_url_a_users_processes_on_a_host_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert Settings().pacer_url == "sqlite:////home/ann/.local/state/asana_assets/pace.db"
    assert settings(monkeypatch, XDG_STATE_HOME="/state").pacer_url == "sqlite:////state/asana_assets/pace.db"
    assert settings(monkeypatch, ASANA_PACER_URL="postgresql://host/asana").pacer_url == "postgresql://host/asana"


def test_the_environment_takes_precedence_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ASANA_DATA_DIR=from_file\nICEBERG_NAMESPACE=from_file\n")
    monkeypatch.setenv("ICEBERG_NAMESPACE", "from_environment")
    monkeypatch.setenv("ASANA_DATA_DIR", "")
    monkeypatch.delenv("ASANA_DATA_DIR")  # unset, and unset again after the test
    load_env_file()
    assert (Settings().asana_data_dir, Settings().iceberg_namespace) == ("from_file", "from_environment")


MISSPELLED = {
    "ASANA_REQUEST_PER_SECOND": "ASANA_REQUESTS_PER_SECOND",
    "ASANA_WORKSPACE": "ASANA_WORKSPACES",
    "ASANA_TOKEN": "ASANA_ACCESS_TOKEN",
    "ASANA_PROJECT": "ASANA_PROJECTS",
    "ASANA_EXCLUDED_PROJECTS": "ASANA_EXCLUDE_PROJECTS",
    "ASANA_OMIT_COLUMN": "ASANA_OMIT_COLUMNS",
    "ICEBERG_NAME_SPACE": "ICEBERG_NAMESPACE",
    "SNOWFLAKE_ROUTES": "SNOWFLAKE_ROUTE",
}


def test_a_misspelled_variable_is_named_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(settings(monkeypatch, **MISSPELLED).warnings()) == sorted(
        f"{name} is set, but there is no such setting: did you mean {meant}?" for name, meant in MISSPELLED.items()
    )


def test_variables_of_other_programs_are_not_called_misspelled(monkeypatch: pytest.MonkeyPatch) -> None:
    others = dict.fromkeys(("ASANA_PROJECT_ID", "ASANA_CLIENT_SECRET", "SNOWFLAKE_REGION", "ICEBERG_CATALOG"), "x")
    both = {"ASANA_TOKEN": "x", "ASANA_ACCESS_TOKEN": "x"}
    assert settings(monkeypatch, **others, **both).warnings() == []


def test_a_token_and_a_secret_are_a_warning_that_says_which_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"ASANA_ACCESS_TOKEN": "1/2:x", "ASANA_TOKEN_SECRET_ID": "asana"}
    [warning] = settings(monkeypatch, **both).warnings()
    assert warning == (
        "ASANA_ACCESS_TOKEN and ASANA_TOKEN_SECRET_ID are both set: the token in ASANA_ACCESS_TOKEN is used. "
        "Unset one of them."
    )
