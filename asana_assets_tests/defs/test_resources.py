"""The Asana resource: its settings and its client, and that it never reveals its token."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from asana_assets.asana.client import ApiRequest, RequestStats
from asana_assets.asana.errors import TransientError, UnauthorizedError
from asana_assets.defs.resources import AsanaResource
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.asana_resource import (
    SECRET,
    build_resource,
    closed_port,
    configuration_error,
    count_workspaces,
)
from asana_assets_tests.support.sync_harness import MakeWarehouse

UNKNOWN = "1/1200000000000001:other"


def test_the_access_token_is_used(asana: Sandbox) -> None:
    with build_resource(asana, access_token=SECRET).client as client:
        assert count_workspaces(client) == len(asana.truth("workspaces"))
    with build_resource(asana, access_token=UNKNOWN).client as client, pytest.raises(UnauthorizedError):
        count_workspaces(client)


@pytest.mark.parametrize("empty", [None, ""])
def test_an_error_for_a_missing_token_names_the_settings(empty: str | None) -> None:
    assert configuration_error(AsanaResource(access_token=empty, token_secret_id=empty)) == (
        "there is no access token: set ASANA_ACCESS_TOKEN to a personal access token of Asana, or "
        "ASANA_TOKEN_SECRET_ID to a secret in AWS Secrets Manager that contains one"
    )


def test_a_resource_never_shows_its_token(asana: Sandbox) -> None:
    resource = build_resource(asana, access_token=SECRET)
    with resource.client as client:
        assert count_workspaces(client)
    for shown in (repr(resource), str(resource), f"{resource!r:>9}", repr([resource]), repr(resource.client)):
        assert "c0ffee" not in shown
    assert asana.url in repr(resource)


@pytest.mark.slow
def test_nothing_that_a_run_leaves_behind_contains_the_token(
    make_warehouse: MakeWarehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """For successful and failed runs: events, logs, metadata, exceptions, reprs, configuration and tables."""
    caplog.set_level("DEBUG")
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": SECRET}, tokens=(SECRET,))
    personal = warehouse.asana.organization.edge_cases["personal_workspace"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASANA_ACCESS_TOKEN", SECRET)
        succeeded = [warehouse.run("refresh_workspaces"), warehouse.run("sync_workspace", personal)]
        warehouse.asana.add_fault("/users", 200, times=1, body={"data": [{"name": "no gid"}]})
        warehouse.asana.add_fault("/tags", 400, times=1, message="No.")  # fails its asset; a record does not
        malformed = warehouse.run("sync_workspace", personal)
        warehouse.asana.revoke_token()
        unauthorized = warehouse.run("sync_workspace", personal)
    results = (*succeeded, malformed, unauthorized)
    assert [result.success for result in results] == [True, True, False, False]
    texts = [str(record.__dict__) for record in caplog.records]
    for result in results:
        texts += [str(entry) for entry in warehouse.instance.all_logs(result.run_id)]
        texts += [repr(result.dagster_run), repr(result.dagster_run.run_config), *map(repr, result.all_events)]
    texts += [repr(warehouse.definitions.resources), *map(str, warehouse.asana.truth("users")[:1])]
    assert len(texts) > 500
    assert not [text for text in texts if "c0ffee" in text]
    files = [path for path in warehouse.data_dir.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert not [path for path in files if b"c0ffee" in path.read_bytes()]


def test_all_threads_of_a_run_share_one_client(asana: Sandbox) -> None:
    resource = build_resource(asana, access_token=SECRET)
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: resource.client, range(32)))
    assert len({id(client) for client in clients}) == 1


def test_a_client_with_short_timeouts_gives_up_soon() -> None:
    resource = AsanaResource(access_token=SECRET, base_url=closed_port(), requests_per_second=1000)
    started = time.monotonic()
    with (
        resource.short_timeout_client() as client,
        pytest.raises(TransientError, match="failed 2 times: no connection"),
    ):
        list(
            client.iter_pages(
                ApiRequest(template="/workspaces"), opt_fields="", stats=RequestStats(), stop=threading.Event()
            )
        )
    assert time.monotonic() - started < 10


def test_a_request_is_attempted_as_often_as_configured() -> None:
    resource = AsanaResource(access_token=SECRET, base_url=closed_port(), max_attempts=1)
    with resource.client as client, pytest.raises(TransientError, match="failed once: no connection"):
        count_workspaces(client)


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
        ("pacer_url", "mysql://user:c0ffee@host/name"),
    ],
)
def test_an_invalid_setting_is_named_before_anything_is_sent(setting: str, value: object) -> None:
    fields: dict[str, Any] = {"access_token": SECRET, "base_url": closed_port(), setting: value}
    assert f"ASANA_{setting.upper()}" in configuration_error(AsanaResource(**fields))
