"""The SQL that `snowflake-setup` prints, and how much of it is verified without a Snowflake account.

The emulator executes the statements that it supports, sqlglot parses those that it knows; the others are listed below.
"""

import re

import pytest
import sqlglot
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from asana_assets.asana.errors import ConfigurationError
from asana_assets.cli.main import main
from asana_assets.settings import Settings
from asana_assets.snowflake.sql import Route, quoted_identifier, string_literal
from asana_assets_tests.support.snowflake_emulator import SnowflakeEmulator, ignore_fakesnow_warning

ROUTES = [route.value for route in Route]
ARN = "arn:aws:iam::123456789012:role"
AWS_OPTIONS = {
    "--bucket": "s3://cats-lake/asana",
    "--storage-role-arn": f"{ARN}/snowflake-s3",
    "--glue-role-arn": f"{ARN}/snowflake-glue",
    "--region": "eu-central-1",
}

NOT_EXECUTED = {
    "horizon": ["ALTER SCHEMA", "CREATE ROLE", "CREATE USER", "GRANT", "USE ROLE"],
    "linked-database": [
        "CREATE CATALOG INTEGRATION",
        "CREATE DATABASE LINKED_CATALOG",
        "CREATE EXTERNAL VOLUME",
        "CREATE ROLE",
        "DESCRIBE CATALOG INTEGRATION",
        "DESCRIBE EXTERNAL VOLUME",
        "GRANT",
        "USE ROLE",
    ],
    "tables": [
        "CREATE CATALOG INTEGRATION",
        "CREATE EXTERNAL VOLUME",
        "CREATE ROLE",
        "CREATE USER",
        "CREATE WAREHOUSE",
        "DESCRIBE CATALOG INTEGRATION",
        "DESCRIBE EXTERNAL VOLUME",
        "GRANT",
        "USE ROLE",
    ],
}
"""Kinds of statement that the emulator accepts without effect: not proven to work in Snowflake, by route."""

NOT_PARSED = {
    "ALTER SCHEMA",
    "CREATE CATALOG INTEGRATION",
    "CREATE EXTERNAL VOLUME",
    "CREATE ROLE",
    "CREATE USER",
    "GRANT",
}
"""The kinds among them that sqlglot does not parse either: not even their syntax is verified."""

pytestmark = ignore_fakesnow_warning


def run_setup(route: str, *flags: str, **changes: str) -> Result:
    options = {**(AWS_OPTIONS if route != "horizon" else {}), "--reader-role": "analyst"}
    options |= {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    arguments = [word for option in options.items() for word in option]
    return CliRunner().invoke(main, ["snowflake-setup", "--route", route, *arguments, *flags])


def printed_sql(route: str, *flags: str, **changes: str) -> str:
    result = run_setup(route, *flags, **changes)
    assert result.exit_code == 0, result.output
    return result.stdout


def statements(sql: str) -> list[str]:
    code = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in code.split(";") if statement.strip()]


def statement_kind(statement: str) -> str:
    """Return the leading keywords of a statement."""
    keywords = re.match(r"GRANT|USE ROLE|[A-Z ]+?(?= IF NOT| \")", statement)
    assert keywords
    return f"{keywords[0]} LINKED_CATALOG" if "LINKED_CATALOG" in statement else keywords[0]


@pytest.mark.parametrize("route", ROUTES)
def test_the_setup_is_idempotent_and_statements_not_executed_are_listed(
    emulator: SnowflakeEmulator, route: str
) -> None:
    script = statements(printed_sql(route))
    emulator.query(*script, *script)
    assert emulator.statements == [*script, *script]
    assert sorted({statement_kind(statement) for statement in emulator.no_ops}) == NOT_EXECUTED[route]


@pytest.mark.parametrize("route", ROUTES)
def test_every_statement_may_be_run_again(route: str) -> None:
    for statement in statements(printed_sql(route)):
        assert re.match(r"USE ROLE|GRANT|ALTER SCHEMA \S+ SET|DESCRIBE|CREATE [A-Z ]+ IF NOT EXISTS ", statement)


def test_the_syntax_is_valid_as_far_as_sqlglot_parses_it() -> None:
    not_parsed: set[str] = set()
    for statement in [statement for route in ROUTES for statement in statements(printed_sql(route))]:
        parsed = sqlglot.parse_one(statement, read="snowflake", error_level=sqlglot.ErrorLevel.RAISE)
        if isinstance(parsed, exp.Command):
            not_parsed.add(statement_kind(statement))
    assert not_parsed == NOT_PARSED


@pytest.mark.parametrize("route", ROUTES)
def test_given_names_are_quoted_and_replace_the_defaults(route: str) -> None:
    sql = printed_sql(route, database="lake", schema='"My ""own"""', role="Loader", user="robot", reader_role="people")
    for name in (
        '"LAKE"',
        '"PEOPLE"',
        *(() if route == Route.LINKED_DATABASE else ('"My ""own"""', '"LOADER"', '"ROBOT"')),
    ):
        assert name in sql
    assert '"ASANA"' not in sql
    assert "ANALYST" not in sql


def test_the_writer_is_granted_usage_on_a_custom_volume() -> None:
    assert "EXTERNAL VOLUME" not in printed_sql("horizon").replace("SET EXTERNAL_VOLUME", "")
    assert 'GRANT USAGE ON EXTERNAL VOLUME "MINE" TO ROLE "LAKE_WRITER";' in printed_sql("horizon", volume="mine")


def test_tables_are_printed_as_the_materializations_create_them() -> None:
    lines = printed_sql("tables", "--create-tables").splitlines()
    assert lines[0] == 'USE ROLE "LAKE_WRITER";'
    assert len(lines) == 17
    assert lines[1] == (
        'CREATE ICEBERG TABLE IF NOT EXISTS "ASANA"."RAW"."WORKSPACES" EXTERNAL_VOLUME = \'LAKE_VOLUME\' '
        "CATALOG = 'LAKE_CATALOG' CATALOG_NAMESPACE = 'asana' CATALOG_TABLE_NAME = 'workspaces' AUTO_REFRESH = FALSE;"
    )
    for line in lines[1:]:
        parsed = sqlglot.parse_one(line.rstrip(";"), read="snowflake", error_level=sqlglot.ErrorLevel.RAISE)
        assert isinstance(parsed, exp.Create)


@pytest.mark.parametrize("route", ROUTES)
def test_the_sql_contains_no_secret_and_no_place_for_one(route: str) -> None:
    code = " ".join(statements(printed_sql(route))).upper()
    assert not re.search(r"PASSWORD|SECRET|TOKEN|_KEY|CREDENTIAL *=", code.replace("EXTERNAL_VOLUME_CREDENTIALS", ""))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("database", "", "--database is '', which is not a valid Snowflake identifier: "),
        ("database", "1st", "--database is '1st', which is not a valid Snowflake identifier: "),
        ("role", "a; DROP DATABASE b", "--role is 'a; DROP DATABASE b', which is not a valid Snowflake identifier: "),
        ("schema", 'x"; DROP', "--schema is 'x\"; DROP', which is not a valid Snowflake identifier: "),
        ("user", '"a"b"', '--user is \'"a"b"\', which is not a valid Snowflake identifier: '),
        ("reader_role", "a\nb", "--reader-role is 'a\\nb', which is not a valid Snowflake identifier: "),
        ("volume", "'", '--volume is "\'", which is not a valid unquoted Snowflake identifier: '),
        ("integration", '"x y"', "--integration is '\"x y\"', which is not a valid unquoted Snowflake identifier: "),
        ("bucket", "s3://my.bucket/x", "--bucket is 's3://my.bucket/x/', but should look like s3://"),
        ("bucket", "s3://bucket/'x", '--bucket is "s3://bucket/\'x/", but should look like s3://'),
        ("glue_role_arn", "glue", "--glue-role-arn is 'glue', but should look like arn:aws:iam::"),
        ("storage_role_arn", "", "--storage-role-arn is missing; it should look like arn:aws:iam::"),
        ("region", "Frankfurt", "--region is 'Frankfurt', but should look like eu-central-1"),
        ("namespace", "asana'", '--namespace is "asana\'", but should look like asana'),
    ],
)
def test_an_invalid_option_is_an_error_and_nothing_is_printed(option: str, value: str, message: str) -> None:
    result = run_setup("tables", **{option: value})
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {message}")
    assert result.stderr.count("\n") == 1


@given(st.text() | st.from_regex(r'"[^"]*"?"?', fullmatch=True))
def test_any_name_is_rejected_or_becomes_one_identifier(name: str) -> None:
    try:
        quoted = quoted_identifier(name, "a name")
    except ConfigurationError:
        return
    [token] = sqlglot.tokenize(quoted, read="snowflake")
    assert token.token_type == TokenType.IDENTIFIER
    unquoted = name[1:-1].replace('""', '"') if name.startswith('"') else name.upper()
    assert token.text.replace('""', '"') == unquoted


@given(st.text())
def test_any_text_becomes_one_string_literal(text: str) -> None:
    [token] = sqlglot.tokenize(string_literal(text), read="snowflake")
    assert token.token_type == TokenType.STRING


def test_all_missing_options_are_named_at_once() -> None:
    result = CliRunner().invoke(main, ["snowflake-setup", "--route", "tables", "--region", "eu-central-1"])
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: These options are missing, with examples of values: --bucket s3://bucket/folder/, "
        "--storage-role-arn arn:aws:iam::123456789012:role/name, --glue-role-arn arn:aws:iam::123456789012:role/name.\n"
    )


@pytest.mark.parametrize("route", ROUTES)
def test_the_settings_that_must_follow_are_printed_and_are_valid(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run_setup(route, database="cats").stderr.splitlines()
    assert lines[0] == "Once these statements have run, set:"
    exported = dict(line.removeprefix("  export ").split("=", 1) for line in lines[1:])
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    assert Settings().snowflake_route == route
    assert Settings().warnings() == []
    assert "cats" in exported.values() or route == "linked-database"
