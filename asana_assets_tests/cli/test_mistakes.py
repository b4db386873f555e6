"""Wrong settings and situations: each is one sentence that names the setting or object, and a documented exit code.

Those that need a server of their own are in `destinations/test_wrong_settings.py`, interruptions in
`test_sync_interrupted`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.cli.test_sync import invoke, settings

CLOSED = "http://127.0.0.1:1"  # a reserved port, on which nothing listens
CATALOG = "PYICEBERG_CATALOG__ASANA__"
REMEDY_401 = r"Check the token in ASANA_ACCESS_TOKEN, or in the secret that ASANA_TOKEN_SECRET_ID names\."


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A mistake, and what the user reads.

    Attributes:
        message: A pattern for the whole line.
        settings: Environment variables; `{host}` is the sandbox.
        arguments: The command line.
        fault: The status with which a path responds.
        exit_code: The exit code.
        level: What the line starts with.
    """

    message: str
    settings: dict[str, str] = field(default_factory=dict[str, str])
    arguments: tuple[str, ...] = ("sync", "--workspace", "Cat lovers", "--select", "tags", "--select", "users")
    fault: tuple[str, int] | None = None
    exit_code: int = 1
    level: str = "Error"


def setting(message: str, **settings: str) -> Mistake:
    return Mistake(message=message, settings=settings)


MISTAKES = {
    "no token": setting(
        r"There is no access token: set ASANA_ACCESS_TOKEN to a personal access token of Asana, or "
        r"ASANA_TOKEN_SECRET_ID to a secret in AWS Secrets Manager that contains one\.",
        ASANA_ACCESS_TOKEN="",
    ),
    "an invalid token": Mistake(message=r"The access token .*\.", settings={"ASANA_ACCESS_TOKEN": "a b"}),
    "a token that Asana rejects": Mistake(
        message=rf"Asana rejected the token \(GET /workspaces returned 401: Not Authorized\)\. {REMEDY_401}",
        settings={"ASANA_ACCESS_TOKEN": "wrong"},
    ),
    "a token and a secret": Mistake(
        message=r"ASANA_ACCESS_TOKEN and ASANA_TOKEN_SECRET_ID are both set: the token in ASANA_ACCESS_TOKEN is used\. "
        r"Unset one of them\.",
        settings={"ASANA_TOKEN_SECRET_ID": "asana"},
        exit_code=0,
        level="Warning",
    ),
    "a misspelled variable": Mistake(
        message=r"ASANA_WORKSPACE is set, but there is no such setting: did you mean ASANA_WORKSPACES\?",
        settings={"ASANA_WORKSPACE": "x"},
        exit_code=0,
        level="Warning",
    ),
    "no URL": setting(r"ASANA_BASE_URL is 'asana', but must be an http or https URL\.", ASANA_BASE_URL="asana"),
    "a wrong path": setting(
        r"workspaces: GET /workspaces returned 404: No matching route for request\. Check ASANA_BASE_URL, .*\.",
        ASANA_BASE_URL="{host}/api/2.0",
    ),
    "a refused connection": setting(
        r"workspaces: GET /workspaces failed 3 times: no connection\. .*ASANA_BASE_URL.*\.", ASANA_BASE_URL=CLOSED
    ),
    "a rate of 0": setting(
        r"ASANA_REQUESTS_PER_SECOND is '0', but must be a number greater than 0\.", ASANA_REQUESTS_PER_SECOND="0"
    ),
    "a rate that is no number": setting(
        r"ASANA_REQUESTS_PER_SECOND is 'fast', but must be a number greater than 0\.", ASANA_REQUESTS_PER_SECOND="fast"
    ),
    "too many in flight": setting(
        r"ASANA_MAX_IN_FLIGHT is '51', but must be an integer from 1 to 50\.", ASANA_MAX_IN_FLIGHT="51"
    ),
    "no URL of a pacer": setting(r"ASANA_PACER_URL is not a database URL.*\.", ASANA_PACER_URL="nonsense"),
    "changes that are neither on nor off": setting(
        r"ASANA_CHANGES is 'maybe', but must be on or off\.", ASANA_CHANGES="maybe"
    ),
    "a retention of 0 days": setting(
        r"ASANA_CHANGES_RETENTION_DAYS is '0', but must be an integer from 1 to 36500\.",
        ASANA_CHANGES_RETENTION_DAYS="0",
    ),
    "an unwritable data directory": setting(
        r"The data directory /proc/nothing cannot hold the catalog; set ASANA_DATA_DIR to a writable directory .*\.",
        ASANA_DATA_DIR="/proc/nothing",
    ),
    "an unknown case": setting(
        r"ICEBERG_NAME_CASE is 'Upper', but must be lower or upper\.", ICEBERG_NAME_CASE="Upper"
    ),
    "neither true nor false": setting(
        r"ICEBERG_EXPIRE_SNAPSHOTS is 'daily', but must be true or false\.", ICEBERG_EXPIRE_SNAPSHOTS="daily"
    ),
    "a catalog of an unknown type": setting(
        rf"The catalog 'asana' cannot be opened; check {CATALOG}\* or \.pyiceberg\.yaml \(.*nessie.*\)\.",
        PYICEBERG_CATALOG__ASANA__TYPE="nessie",
    ),
    "a catalog that does not respond": setting(
        rf"The catalog did not respond; check {CATALOG}URI .*\.",
        PYICEBERG_CATALOG__ASANA__TYPE="rest",
        PYICEBERG_CATALOG__ASANA__URI=CLOSED,
    ),
    "an unknown route": setting(r"SNOWFLAKE_ROUTE is 'view', but must be one of .*\.", SNOWFLAKE_ROUTE="view"),
    "a route without its settings": setting(
        r"SNOWFLAKE_ROUTE is tables, which needs SNOWFLAKE_ACCOUNT, .*\.", SNOWFLAKE_ROUTE="tables"
    ),
    "a Dagster home that does not exist": setting(r"DAGSTER_HOME is '/nowhere': .*/nowhere.*", DAGSTER_HOME="/nowhere"),
    "an unknown workspace in the settings": setting(
        r"ASANA_WORKSPACES names 5, which this token cannot see\. It can see: Catnip & Co\. \(\d+\), .*\.",
        ASANA_WORKSPACES="5",
    ),
    "an unknown workspace": Mistake(
        message=r"--workspace names Dogs, which this token cannot see\. It can see: Catnip & Co\. \(\d+\), .*\.",
        arguments=("sync", "--workspace", "Dogs"),
    ),
    "an unknown asset": Mistake(
        message=r"Invalid value for '--select': 'task' is not one of .*'tasks'.*\.",
        arguments=("sync", "--select", "task"),
        exit_code=2,
    ),
    "a negative age": Mistake(
        message=r"Invalid value for '--refresh-after-days': -1\.0 is not in the range x>=0\.",
        arguments=("sync", "--refresh-after-days", "-1"),
        exit_code=2,
    ),
    "no token on standard input": Mistake(
        message=r"--token-stdin was given, but standard input is empty\. Write the token to it\.",
        arguments=("connect", "--token-stdin"),
        exit_code=2,
    ),
    "nothing stored to forget": Mistake(
        message=r"--workspace names Dogs, of which nothing is stored\. Stored are: none\.",
        arguments=("forget", "--workspace", "Dogs"),
    ),
    "a token that is revoked during the sync": Mistake(
        message=rf"Asana rejected the token \(GET /tags returned 401: Not Authorized\)\. {REMEDY_401}",
        fault=("/tags", 401),
    ),
    "a listing without permission": Mistake(
        message=r"tags of workspace Cat lovers: GET /tags returned 403: Forbidden\. The token's user lacks the "
        r"permission for it or, .* the scope tags:read\. Ask an admin .*\.",
        fault=("/tags", 403),
    ),
    "a listing that the plan does not include": Mistake(
        message=r"The plan of workspace Cat lovers does not include tags \(402\), so there are no rows of it\. "
        r"There is nothing to do, unless you upgrade the plan\.",
        fault=("/tags", 402),
        exit_code=0,
        level="Note",
    ),
}


@pytest.fixture(scope="module")
def asana() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence_with_what_was_found_and_what_to_do(
    tmp_path: Path, asana: Sandbox, mistake: Mistake
) -> None:
    host = asana.url.removesuffix("/api/1.0")
    changed = {name: value.format(host=host) for name, value in mistake.settings.items()}
    fault = asana.add_fault(*mistake.fault) if mistake.fault else None
    try:
        result = invoke(tmp_path, *mistake.arguments, **settings(asana) | changed)
    finally:
        if fault:
            fault.cancel()
    assert result.exit_code == mistake.exit_code, result.output
    assert asana.token not in result.output
    assert "Traceback" not in result.output
    lines = [line for line in result.output.splitlines() if line.startswith(f"{mistake.level}: ")]
    [line] = [line for line in lines if "its API" not in line]
    assert re.fullmatch(f"{mistake.level}: {mistake.message}", line), line


@pytest.mark.slow
def test_a_namespace_of_another_account_is_refused_in_one_sentence(tmp_path: Path, asana: Sandbox) -> None:
    assert invoke(tmp_path, "sync", "--select", "tags", **settings(asana)).exit_code == 0
    with Sandbox(seed=2) as other:
        result = invoke(tmp_path, "sync", "--select", "tags", **settings(other))
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert re.fullmatch(
        r"Error: The namespace asana has other workspaces \(.*\) than the token of the integration 'asana' sees "
        r"\(.*\): give each account a namespace of its own \(ICEBERG_NAMESPACE, .*\.",
        line,
    ), line
