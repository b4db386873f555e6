"""The SQL that `snowflake-setup` prints: what stands in it, and how much of it anybody checked.

No Snowflake is here. The emulator carries out what it knows, sqlglot parses what it knows, and the rest is named below.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
import sqlglot
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from asana_assets.asana.errors import ConfigurationError
from asana_assets.cli.main import main
from asana_assets.snowflake.sql import Route, quoted_identifier, string_literal
from asana_assets_tests.support.snowflake_emulator import Emulator, emulating

ROUTES = [route.value for route in Route]
LOGIN: dict[str, Any] = {"account": "organization-account", "user": "ADMIN", "password": "c0ffee"}
ARN = "arn:aws:iam::123456789012:role"
AWS = {
    "--bucket": "s3://cats-lake/asana",
    "--storage-role-arn": f"{ARN}/snowflake-s3",
    "--glue-role-arn": f"{ARN}/snowflake-glue",
    "--region": "eu-central-1",
}

UNPROVED = {
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
"""Statements that the emulator nodded through: nothing here shows that Snowflake takes them, or what they do."""

UNPARSED = {
    "ALTER SCHEMA",
    "CREATE CATALOG INTEGRATION",
    "CREATE EXTERNAL VOLUME",
    "CREATE ROLE",
    "CREATE USER",
    "GRANT",
}
"""Of these, those in which not even the syntax was looked at."""

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result makes an extra copy")
"""fakesnow's, of DuckDB."""


def run(route: str, *flags: str, **changes: str) -> Result:
    options = {**(AWS if route != "horizon" else {}), "--reader-role": "analyst"}
    options |= {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    arguments = [word for option in options.items() for word in option]
    return CliRunner().invoke(main, ["snowflake-setup", "--route", route, *arguments, *flags])


def printed(route: str, *flags: str, **changes: str) -> str:
    result = run(route, *flags, **changes)
    assert result.exit_code == 0, result.output
    return result.stdout


def statements(sql: str) -> list[str]:
    code = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in code.split(";") if statement.strip()]


def kind(statement: str) -> str:
    """Say what a statement does, without to what."""
    words = re.match(r"GRANT|USE ROLE|[A-Z ]+?(?= IF NOT| \")", statement)
    assert words
    return f"{words[0]} LINKED_CATALOG" if "LINKED_CATALOG" in statement else words[0]


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with emulating() as emulator:
        yield emulator


@pytest.mark.parametrize("route", ROUTES)
def test_it_runs_twice_and_what_was_only_nodded_through_is_known(
    server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    monkeypatch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
    server.clear(tmp_path)
    script = statements(printed(route))
    login = LOGIN | server.connection | {"network_timeout": 5}
    with snowflake.connector.connect(**login) as connection, connection.cursor() as cursor:
        for statement in [*script, *script]:
            cursor.execute(statement)
    assert server.statements == [*script, *script]
    assert sorted({kind(statement) for statement in server.nodded}) == UNPROVED[route]


@pytest.mark.parametrize("route", ROUTES)
def test_every_statement_is_one_that_may_be_run_again(route: str) -> None:
    for statement in statements(printed(route)):
        assert re.match(r"USE ROLE|GRANT|ALTER SCHEMA \S+ SET|DESCRIBE|CREATE [A-Z ]+ IF NOT EXISTS ", statement)


def test_its_syntax_is_snowflakes_as_far_as_a_parser_knows_it() -> None:
    opaque: set[str] = set()
    for statement in [one for route in ROUTES for one in statements(printed(route))]:
        parsed = sqlglot.parse_one(statement, read="snowflake", error_level=sqlglot.ErrorLevel.RAISE)
        if isinstance(parsed, exp.Command):
            opaque.add(kind(statement))
    assert opaque == UNPARSED


@pytest.mark.parametrize("route", ROUTES)
def test_the_given_names_stand_in_it_quoted_and_the_defaults_do_not(route: str) -> None:
    sql = printed(route, database="lake", schema='"My ""own"""', role="Loader", user="robot", reader_role="people")
    for name in (
        '"LAKE"',
        '"PEOPLE"',
        *(() if route == Route.LINKED_DATABASE else ('"My ""own"""', '"LOADER"', '"ROBOT"')),
    ):
        assert name in sql
    assert '"ASANA"' not in sql
    assert "ANALYST" not in sql


def test_of_a_volume_of_ones_own_the_writer_gets_the_usage() -> None:
    assert "EXTERNAL VOLUME" not in printed("horizon").replace("SET EXTERNAL_VOLUME", "")
    assert 'GRANT USAGE ON EXTERNAL VOLUME "MINE" TO ROLE "LAKE_WRITER";' in printed("horizon", volume="mine")


def test_the_tables_can_be_printed_as_the_materializations_create_them() -> None:
    lines = printed("tables", "--create-tables").splitlines()
    assert lines[0] == 'USE ROLE "LAKE_WRITER";'
    assert len(lines) == 16
    assert lines[1] == (
        'CREATE ICEBERG TABLE IF NOT EXISTS "ASANA"."RAW"."WORKSPACES" EXTERNAL_VOLUME = \'LAKE_VOLUME\' '
        "CATALOG = 'LAKE_CATALOG' CATALOG_NAMESPACE = 'asana' CATALOG_TABLE_NAME = 'workspaces' AUTO_REFRESH = FALSE;"
    )
    for line in lines[1:]:
        parsed = sqlglot.parse_one(line.rstrip(";"), read="snowflake", error_level=sqlglot.ErrorLevel.RAISE)
        assert isinstance(parsed, exp.Create)


@pytest.mark.parametrize("route", ROUTES)
def test_no_secret_is_asked_for_or_printed(route: str) -> None:
    code = " ".join(statements(printed(route))).upper()
    assert not re.search(r"PASSWORD|SECRET|TOKEN|_KEY|CREDENTIAL *=", code.replace("EXTERNAL_VOLUME_CREDENTIALS", ""))


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("database", "", "--database is '', which is no name in Snowflake"),
        ("database", "1st", "--database is '1st', which is no name in Snowflake"),
        ("role", "a; DROP DATABASE b", "--role is 'a; DROP DATABASE b', which is no name in Snowflake"),
        ("schema", 'x"; DROP', "--schema is 'x\"; DROP', which is no name in Snowflake"),
        ("user", '"a"b"', '--user is \'"a"b"\', which is no name in Snowflake'),
        ("reader_role", "a\nb", "--reader-role is 'a\\nb', which is no name in Snowflake"),
        ("volume", "'", '--volume is "\'", but must be a name of letters'),
        ("integration", '"x y"', "--integration is '\"x y\"', but must be a name of letters"),
        ("bucket", "s3://my.bucket/x", "--bucket is 's3://my.bucket/x/', but should look like s3://"),
        ("bucket", "s3://bucket/'x", '--bucket is "s3://bucket/\'x/", but should look like s3://'),
        ("glue_role_arn", "glue", "--glue-role-arn is 'glue', but should look like arn:aws:iam::"),
        ("storage_role_arn", "", "--storage-role-arn is missing; it looks like arn:aws:iam::"),
        ("region", "Frankfurt", "--region is 'Frankfurt', but should look like eu-central-1"),
        ("namespace", "asana'", '--namespace is "asana\'", but should look like asana'),
    ],
)
def test_nonsense_is_refused_with_a_sentence_and_nothing_is_printed(option: str, value: str, sentence: str) -> None:
    result = run("tables", **{option: value})
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {sentence}")
    assert result.stderr.count("\n") == 1


@given(st.text() | st.from_regex(r'"[^"]*"?"?', fullmatch=True))
def test_whatever_the_name_it_is_refused_or_is_one_identifier(name: str) -> None:
    try:
        quoted = quoted_identifier(name, "the name")
    except ConfigurationError:
        return
    [token] = sqlglot.tokenize(quoted, read="snowflake")
    assert token.token_type == TokenType.IDENTIFIER
    plain = name[1:-1].replace('""', '"') if name.startswith('"') else name.upper()
    assert token.text.replace('""', '"') == plain


@given(st.text())
def test_whatever_the_text_it_is_one_literal(text: str) -> None:
    [token] = sqlglot.tokenize(string_literal(text), read="snowflake")
    assert token.token_type == TokenType.STRING
