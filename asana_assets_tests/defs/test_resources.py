"""The resource of Asana: where its token comes from, what it refuses, and that it keeps the token to itself."""

import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer

from asana_assets.asana.client import ApiRequest, RequestStats
from asana_assets.asana.errors import ConfigurationError, TransientError, UnauthorizedError
from asana_assets.defs.resources import AsanaResource
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.sync_harness import MakeWarehouse, failures

SECRET = "2/1200000000000777/1200000000000778:c0ffee"
UNKNOWN = "1/1200000000000001:other"
DIGITS = "12000000000007771200000000000778"
MISSING = "asana/none"
MakeSecret = Callable[[str | bytes], str]

pytestmark = pytest.mark.filterwarnings("ignore:Class `SecretsManagerResource` is currently in beta")
"""Dagster's own resource says so whenever it is used; pinned to one minor version, it changes with our consent."""


@pytest.fixture(scope="module")
def aws_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let AWS be a server on this host, by the variables that its tools read."""
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
    """Give a function that puts a secret into Secrets Manager, under the test's name, and gives its ARN."""

    def make(content: str | bytes) -> str:
        client: Any = Session().client("secretsmanager", endpoint_url=aws)
        kind = "SecretBinary" if isinstance(content, bytes) else "SecretString"
        try:
            return str(client.create_secret(Name=request.node.name, **{kind: content})["ARN"])
        finally:
            client.close()

    return make


@pytest.fixture
def asana() -> Iterator[Sandbox]:
    with Sandbox(tokens=(SECRET, DIGITS)) as sandbox:
        yield sandbox


def resource_of(
    asana: Sandbox, *, access_token: str | None = None, token_secret_id: str | None = None
) -> AsanaResource:
    return AsanaResource(
        base_url=asana.url, requests_per_second=1000, access_token=access_token, token_secret_id=token_secret_id
    )


def workspaces(resource: AsanaResource) -> int:
    """Count the workspaces that the resource's client can see."""
    with resource.client as client:
        pages = client.iter_pages(
            ApiRequest(template="/workspaces"), opt_fields="name", usage=RequestStats(), stop=threading.Event()
        )
        return sum(page.count for page in pages)


def refused(resource: AsanaResource) -> str:
    """Give the sentence with which a resource refuses to make a client."""
    with pytest.raises(ConfigurationError) as caught:
        resource.client  # noqa: B018 # made when it is asked for
    assert "c0ffee" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def a_closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


# --- the token


def test_a_token_that_is_set_is_used(asana: Sandbox) -> None:
    assert workspaces(resource_of(asana, access_token=SECRET)) == len(asana.truth("workspaces"))
    with pytest.raises(UnauthorizedError):
        workspaces(resource_of(asana, access_token=UNKNOWN))


def test_a_token_that_is_set_needs_no_secret(asana: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", a_closed_port())
    assert workspaces(resource_of(asana, access_token=SECRET, token_secret_id=MISSING))


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
        assert workspaces(resource_of(asana, token_secret_id=secret_id))
    assert [entry.token for entry in asana.log] == [f"token {token}"] * 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (json.dumps({"Token": SECRET}), "the secret {arn} has no key `token`"),
        (json.dumps({"token": [SECRET]}), "the secret {arn} has no key `token`"),
        ("{}", "the secret {arn} has no key `token`"),
        (SECRET.encode(), "the secret {arn} is binary, not text"),
    ],
    ids=["another key", "a list", "no key", "binary"],
)
def test_a_secret_without_a_token_is_told_by_its_setting_and_name_and_is_not_shown(
    make_secret: MakeSecret, content: str | bytes, complaint: str
) -> None:
    arn = make_secret(content)
    assert refused(AsanaResource(token_secret_id=arn)) == f"ASANA_TOKEN_SECRET_ID: {complaint.format(arn=arn)}"


@pytest.mark.parametrize(
    "content",
    [f"{SECRET} and more", json.dumps([SECRET, "more"]), json.dumps({"token": " "})],
    ids=["words", "a list", "blank"],
)
def test_a_secret_that_cannot_be_a_token_is_told_by_its_setting_and_is_not_shown(
    make_secret: MakeSecret, content: str
) -> None:
    sentence = refused(AsanaResource(token_secret_id=make_secret(content)))
    assert "ASANA_TOKEN_SECRET_ID" in sentence
    assert "characters that no token has" in sentence


@pytest.mark.usefixtures("aws")
def test_a_secret_that_is_not_there_is_told_by_its_setting_and_name() -> None:
    assert refused(AsanaResource(token_secret_id=MISSING)) == (
        "ASANA_TOKEN_SECRET_ID: AWS Secrets Manager answered ResourceNotFoundException for asana/none"
    )


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("unset", "complaint"),
    [("AWS_DEFAULT_REGION", "region"), ("AWS_ACCESS_KEY_ID", "credentials"), ("AWS_ENDPOINT_URL", "connect")],
)
def test_where_secrets_manager_cannot_be_asked_the_sentence_says_why(
    monkeypatch: pytest.MonkeyPatch, unset: str, complaint: str
) -> None:
    if unset == "AWS_ENDPOINT_URL":
        monkeypatch.setenv(unset, a_closed_port())
    else:
        monkeypatch.delenv(unset)
    sentence = refused(AsanaResource(token_secret_id=MISSING))
    assert sentence.startswith("ASANA_TOKEN_SECRET_ID: AWS Secrets Manager cannot be asked: ")
    assert complaint in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("empty", [None, ""])
def test_without_a_token_one_sentence_says_what_to_set(empty: str | None) -> None:
    assert refused(AsanaResource(access_token=empty, token_secret_id=empty)) == (
        "there is no access token: set ASANA_ACCESS_TOKEN to a personal access token of Asana, or "
        "ASANA_TOKEN_SECRET_ID to a secret in AWS Secrets Manager that holds one"
    )


def test_a_resource_never_shows_its_token(asana: Sandbox) -> None:
    resource = resource_of(asana, access_token=SECRET)
    assert workspaces(resource)
    for shown in (repr(resource), str(resource), f"{resource!r:>9}", repr([resource]), repr(resource.client)):
        assert "c0ffee" not in shown
    assert asana.url in repr(resource)


def test_a_run_reads_its_token_from_secrets_manager_and_tells_it_nobody(
    make_warehouse: MakeWarehouse, make_secret: MakeSecret, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"ASANA_ACCESS_TOKEN": "", "ASANA_TOKEN_SECRET_ID": make_secret(json.dumps({"token": SECRET}))}
    warehouse = make_warehouse(settings, tokens=(SECRET,))
    result = warehouse.run("refresh_workspaces")
    assert result.success, failures(result)
    assert len(warehouse.rows("workspaces")) == len(warehouse.asana.truth("workspaces"))
    told = [str(entry) for entry in warehouse.instance.all_logs(result.run_id)]
    assert len(told) > 5
    assert not [text for text in [*told, *caplog.messages] if "c0ffee" in text]


@pytest.mark.usefixtures("aws")
def test_a_run_without_its_secret_fails_with_the_sentence(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": "", "ASANA_TOKEN_SECRET_ID": MISSING})
    assert failures(warehouse.run("refresh_workspaces"))["workspaces"] == (
        "workspaces: ASANA_TOKEN_SECRET_ID: AWS Secrets Manager answered ResourceNotFoundException for asana/none."
    )
    assert warehouse.asana.log == []


@pytest.mark.slow
def test_the_token_is_in_nothing_that_a_run_leaves_behind(
    make_warehouse: MakeWarehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """Of runs that succeed and that fail: events, logs, metadata, exceptions, reprs, configuration, tables."""
    caplog.set_level("DEBUG")
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": SECRET}, tokens=(SECRET,))
    personal = warehouse.asana.organization.edge_cases["personal_workspace"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASANA_ACCESS_TOKEN", SECRET)
        well = [warehouse.run("refresh_workspaces"), warehouse.run("sync_workspace", personal)]
        warehouse.asana.add_fault("/users", 200, times=1, body={"data": [{"name": "no gid"}]})
        odd = warehouse.run("sync_workspace", personal)
        warehouse.asana.revoke_token()
        refused = warehouse.run("sync_workspace", personal)
    assert [result.success for result in (*well, odd, refused)] == [True, True, False, False]
    left = [str(record.__dict__) for record in caplog.records]
    for result in (*well, odd, refused):
        left += [str(entry) for entry in warehouse.instance.all_logs(result.run_id)]
        left += [repr(result.dagster_run), repr(result.dagster_run.run_config), *map(repr, result.all_events)]
    left += [repr(warehouse.definitions.resources), *map(str, warehouse.asana.truth("users")[:1])]
    assert len(left) > 500
    assert not [text for text in left if "c0ffee" in text]
    files = [path for path in warehouse.data_dir.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert not [path for path in files if b"c0ffee" in path.read_bytes()]


# --- a token that is rotated


def test_after_a_401_the_secret_is_read_once_more_and_the_run_goes_on(asana: Sandbox, make_secret: MakeSecret) -> None:
    arn = make_secret(json.dumps({"token": SECRET}))
    client = resource_of(asana, token_secret_id=arn).client
    with client:
        request = ApiRequest(template="/workspaces")

        def count() -> int:
            pages = client.iter_pages(request, opt_fields="name", usage=RequestStats(), stop=threading.Event())
            return sum(page.count for page in pages)

        assert count() == 3
        Session().client("secretsmanager").put_secret_value(SecretId=arn, SecretString=DIGITS)
        asana.revoke_token(SECRET)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: count(), range(8))) == [3] * 8
        assert 1 <= sum(entry.status == 401 for entry in asana.log) <= 8
        assert count() == 3
        asana.revoke_token(DIGITS)
        asked = len(asana.log)
        for _ in range(2):
            with pytest.raises(UnauthorizedError):
                count()
        assert len(asana.log) == asked + 1


# --- the client


def test_all_threads_of_a_run_get_the_one_client(asana: Sandbox) -> None:
    resource = resource_of(asana, access_token=SECRET)
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: resource.client, range(32)))
    assert len({id(client) for client in clients}) == 1


def test_a_question_that_must_be_answered_soon_is_given_up_soon() -> None:
    resource = AsanaResource(access_token=SECRET, base_url=a_closed_port(), requests_per_second=1000)
    began = time.monotonic()
    with (
        resource.short_timeout_client() as client,
        pytest.raises(TransientError, match="failed 2 times: no connection"),
    ):
        list(
            client.iter_pages(
                ApiRequest(template="/workspaces"), opt_fields="", usage=RequestStats(), stop=threading.Event()
            )
        )
    assert time.monotonic() - began < 10


def test_a_request_is_sent_as_often_as_configured() -> None:
    resource = AsanaResource(access_token=SECRET, base_url=a_closed_port(), max_attempts=1)
    with pytest.raises(TransientError, match="failed once: no connection"):
        workspaces(resource)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("requests_per_second", 0.0),
        ("requests_per_second", -1.25),
        ("requests_per_second", float("nan")),
        ("max_in_flight", 0),
        ("max_in_flight", 51),
        ("base_url", "asana"),
        ("access_token", "c0ffee c0ffee"),
        ("pacer_url", "mysql://somebody:c0ffee@host/name"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_before_anything_is_sent(setting: str, value: object) -> None:
    fields: dict[str, Any] = {"access_token": SECRET, "base_url": a_closed_port(), setting: value}
    assert f"ASANA_{setting.upper()}" in refused(AsanaResource(**fields))
