"""The access token in AWS Secrets Manager: how it is read, rotated and reported if missing."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer

from asana_assets.asana.errors import UnauthorizedError
from asana_assets.defs.resources import AsanaResource
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.asana_resource import (
    DIGITS,
    SECRET,
    build_resource,
    closed_port,
    configuration_error,
    count_workspaces,
)
from asana_assets_tests.support.sync_harness import MakeWarehouse, failures

MISSING = "asana/none"
MakeSecret = Callable[[str | bytes], str]

# Dagster's resource warns at every use. Its version is pinned to one minor, so that it cannot change unnoticed.
pytestmark = pytest.mark.filterwarnings("ignore:Class `SecretsManagerResource` is currently in beta")


@pytest.fixture(scope="module")
def aws_url() -> Iterator[str]:
    """The URL of an AWS server on this host."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of the AWS server, which AWS's environment variables select."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return aws_url


@pytest.fixture
def make_secret(aws: str, request: pytest.FixtureRequest) -> MakeSecret:
    """A function that creates a secret with the test's name and returns its ARN."""

    def make(content: str | bytes) -> str:
        client: Any = Session().client("secretsmanager", endpoint_url=aws)
        field = "SecretBinary" if isinstance(content, bytes) else "SecretString"
        try:
            return str(client.create_secret(Name=request.node.name, **{field: content})["ARN"])
        finally:
            client.close()

    return make


def test_a_token_that_is_set_needs_no_secret(asana: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", closed_port())
    with build_resource(asana, access_token=SECRET, token_secret_id=MISSING).client as client:
        assert count_workspaces(client)


@pytest.mark.parametrize(
    ("content", "token"),
    [
        (json.dumps({"token": SECRET}), 1),
        (json.dumps({"note": "of the robot", "token": f" {SECRET}\n", "until": None}, indent=2), 1),
        (SECRET, 1),
        (f"{SECRET}\n", 1),
        (DIGITS, 2),
    ],
    ids=["JSON", "JSON with more", "bare", "bare line", "digits"],
)
def test_a_token_is_read_from_secrets_manager_by_arn_and_by_name(
    asana: Sandbox, make_secret: MakeSecret, request: pytest.FixtureRequest, content: str, token: int
) -> None:
    for secret_id in (make_secret(content), request.node.name):
        with build_resource(asana, token_secret_id=secret_id).client as client:
            assert count_workspaces(client)
    assert [entry.token for entry in asana.log] == [f"token {token}"] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps({"Token": SECRET}), "the secret {arn} has no key `token`"),
        (json.dumps({"token": [SECRET]}), "the secret {arn} has no key `token`"),
        ("{}", "the secret {arn} has no key `token`"),
        (SECRET.encode(), "the secret {arn} is binary, not text"),
    ],
    ids=["another key", "a list", "no key", "binary"],
)
def test_an_error_for_a_secret_without_a_token_names_the_secret_and_not_its_content(
    make_secret: MakeSecret, content: str | bytes, message: str
) -> None:
    arn = make_secret(content)
    error = configuration_error(AsanaResource(token_secret_id=arn))
    assert error == f"ASANA_TOKEN_SECRET_ID: {message.format(arn=arn)}"


@pytest.mark.parametrize(
    "content",
    [f"{SECRET} and more", json.dumps([SECRET, "more"]), json.dumps({"token": " "})],
    ids=["words", "a list", "blank"],
)
def test_an_error_for_an_invalid_token_in_a_secret_names_the_setting_and_not_the_token(
    make_secret: MakeSecret, content: str
) -> None:
    error = configuration_error(AsanaResource(token_secret_id=make_secret(content)))
    assert "ASANA_TOKEN_SECRET_ID" in error
    assert "characters that are not allowed in a token" in error


@pytest.mark.usefixtures("aws")
def test_an_error_for_a_missing_secret_names_the_setting_and_the_secret() -> None:
    assert configuration_error(AsanaResource(token_secret_id=MISSING)) == (
        "ASANA_TOKEN_SECRET_ID: AWS Secrets Manager returned ResourceNotFoundException for asana/none"
    )


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("unset", "reason"),
    [("AWS_DEFAULT_REGION", "region"), ("AWS_ACCESS_KEY_ID", "credentials"), ("AWS_ENDPOINT_URL", "connect")],
)
def test_if_secrets_manager_cannot_be_used_the_error_says_why(
    monkeypatch: pytest.MonkeyPatch, unset: str, reason: str
) -> None:
    if unset == "AWS_ENDPOINT_URL":
        monkeypatch.setenv(unset, closed_port())
    else:
        monkeypatch.delenv(unset)
    error = configuration_error(AsanaResource(token_secret_id=MISSING))
    assert error.startswith("ASANA_TOKEN_SECRET_ID: AWS Secrets Manager cannot be used for asana/none: ")
    assert reason in error
    assert "\n" not in error


def test_a_run_reads_its_token_from_secrets_manager_and_logs_it_nowhere(
    make_warehouse: MakeWarehouse, make_secret: MakeSecret, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"ASANA_ACCESS_TOKEN": "", "ASANA_TOKEN_SECRET_ID": make_secret(json.dumps({"token": SECRET}))}
    warehouse = make_warehouse(settings, tokens=(SECRET,))
    result = warehouse.run("refresh_workspaces")
    assert result.success, failures(result)
    assert len(warehouse.rows("workspaces")) == len(warehouse.asana.truth("workspaces"))
    events = [str(entry) for entry in warehouse.instance.all_logs(result.run_id)]
    assert len(events) > 5
    assert not [text for text in [*events, *caplog.messages] if "c0ffee" in text]


@pytest.mark.usefixtures("aws")
def test_a_run_with_a_missing_secret_fails_with_the_same_message(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": "", "ASANA_TOKEN_SECRET_ID": MISSING})
    assert failures(warehouse.run("refresh_workspaces"))["workspaces"] == (
        "ASANA_TOKEN_SECRET_ID: AWS Secrets Manager returned ResourceNotFoundException for asana/none."
    )
    assert warehouse.asana.log == []


def test_after_a_401_the_secret_is_read_once_more_and_the_run_continues(
    asana: Sandbox, make_secret: MakeSecret
) -> None:
    arn = make_secret(json.dumps({"token": SECRET}))
    with build_resource(asana, token_secret_id=arn).client as client:
        assert count_workspaces(client) == 3
        Session().client("secretsmanager").put_secret_value(SecretId=arn, SecretString=DIGITS)
        asana.revoke_token(SECRET)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: count_workspaces(client), range(8))) == [3] * 8
        assert 1 <= sum(entry.status == 401 for entry in asana.log) <= 8
        assert count_workspaces(client) == 3
        asana.revoke_token(DIGITS)
        sent = len(asana.log)
        for _ in range(2):
            with pytest.raises(UnauthorizedError):
                count_workspaces(client)
        assert len(asana.log) == sent + 1
