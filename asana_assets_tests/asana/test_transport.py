"""Laws of the transport: bodies, connections, the token, and the settings it accepts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from asana_assets.asana.client import Client
from asana_assets.asana.errors import ConfigurationError, RedirectError, TransientError
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import (
    SHORT_BACKOFF,
    SOON_SECONDS,
    TOKEN,
    LargeProject,
    client_at,
    client_of,
    error_texts,
    gids,
    page_body,
    pages,
)
from asana_assets_tests.support.scripted_server import respond_with, serve

# --- bodies and connections


@pytest.mark.parametrize("framing", ["length", "chunks", "one chunk"])
def test_a_slow_body_is_abandoned_at_the_read_deadline(framing: str) -> None:
    abandoned = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        name, value = ("Content-Length", "4096") if framing == "length" else ("Transfer-Encoding", "chunked")
        handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(b"1000\r\n" if framing == "one chunk" else b"")
        while not abandoned.wait(0.05):
            handler.wfile.write(b"1\r\n \r\n" if framing == "chunks" else b" ")

    time_limit = threading.Timer(SOON_SECONDS, abandoned.set)
    time_limit.start()
    with (
        serve(drip) as server,
        client_at(
            server.url, read_timeout_seconds=0.3, retry=RetryPolicy(max_attempts=2, max_backoff_seconds=0.01)
        ) as client,
        pytest.raises(TransientError, match=r"failed 2 times: timed out$"),
    ):
        list(pages(client))
    time_limit.cancel()
    assert not abandoned.is_set()
    abandoned.set()


def test_a_body_shorter_than_its_content_length_is_retried() -> None:
    body = b'{"data":[{"gid":"1"}],"next_page":null}'

    def respond(handler: BaseHTTPRequestHandler) -> None:
        """Send a truncated body without a reset, so that only its length shows it."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) + (2 if len(server.requests) == 1 else 0)))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    with serve(respond) as server, client_at(server.url) as client:
        assert gids(pages(client)) == ["1"]
        assert len(server.requests) == 2


def test_successive_requests_use_one_connection() -> None:
    body = b'{"data":[],"next_page":null}'
    with serve(respond_with(200, body)) as server, client_at(server.url) as client:
        for _ in range(5):
            list(pages(client))
        assert (len(server.requests), server.connections) == (5, 1)


def test_the_response_after_an_interim_one_is_not_taken_for_that_of_another_request() -> None:
    """The client does not wait for the final response to the first request, which arrives late."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if len(server.requests) == 1:
            handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
            time.sleep(0.3)
            respond_with(200, page_body("late"))(handler)
        else:
            respond_with(200, page_body("right"))(handler)

    with serve(respond) as server, client_at(server.url) as client:
        assert gids(pages(client)) == ["right"]
        assert gids(pages(client)) == ["right"]
        assert server.connections == 2


def test_no_more_than_max_in_flight_requests_are_concurrent(large_project: LargeProject) -> None:
    with (
        Sandbox(organization=large_project.organization, latency=0.1) as sandbox,
        client_of(sandbox, max_in_flight=3) as client,
        ThreadPoolExecutor(12) as pool,
    ):
        assert all(pool.map(lambda _: gids(pages(client)), range(12)))
        assert sandbox.max_in_flight == 3


# --- the token


def test_the_token_is_sent_as_a_bearer_token() -> None:
    with serve(respond_with(200, b'{"data":[]}')) as server, client_at(server.url) as client:
        list(pages(client))
    [(_, headers)] = server.requests
    assert headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_is_not_followed_so_that_the_token_is_not_forwarded(sandbox: Sandbox) -> None:
    with serve(respond_with(302, Location=f"{sandbox.url}/workspaces")) as server, client_at(server.url) as client:
        with pytest.raises(RedirectError) as caught:
            list(pages(client))
        assert len(server.requests) == 1
    assert sandbox.log == []
    host = sandbox.url.split("/")[2]
    assert str(caught.value) == f"GET /workspaces returned 302: a redirect to {host}; check ASANA_BASE_URL"
    assert sandbox.url not in error_texts(caught.value)


def test_a_netrc_file_does_not_replace_the_token(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text("machine 127.0.0.1 login user password secret\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with client_of(sandbox) as client:
        list(pages(client))
    assert {(entry.status, entry.token) for entry in sandbox.log} == {(200, "token 1")}


def test_a_rejected_token_is_refreshed_and_the_request_retried(sandbox: Sandbox) -> None:
    transport = Transport(base_url=sandbox.url, token=TOKEN, refresh_token=lambda: sandbox.token)
    with Client(transport=transport, throttle=Throttle(ceiling=1000), retry=SHORT_BACKOFF) as client:
        assert gids(pages(client))
        assert gids(pages(client))
    assert [entry.status for entry in sandbox.log] == [401, 200, 200]


def test_a_rejected_token_that_was_not_replaced_is_not_retried(sandbox: Sandbox) -> None:
    transport = Transport(base_url=sandbox.url, token=TOKEN, refresh_token=lambda: TOKEN)
    assert not transport.get("/workspaces", {}).token_replaced
    assert [entry.status for entry in sandbox.log] == [401]
    transport.close()


def test_concurrent_401s_refresh_the_token_once() -> None:
    refreshed: list[str] = []
    in_flight = threading.Barrier(2)

    def refresh_token() -> str:
        refreshed.append("new")
        return "new"

    def respond(handler: BaseHTTPRequestHandler) -> None:
        in_flight.wait(SOON_SECONDS)
        respond_with(401)(handler)

    with serve(respond) as server, ThreadPoolExecutor(2) as pool:
        transport = Transport(base_url=server.url, token=TOKEN, refresh_token=refresh_token)
        responses = pool.map(lambda _: transport.get("/workspaces", {}), range(2))
        assert all(response.token_replaced for response in responses)
        transport.close()
    assert refreshed == ["new"]


# --- settings


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb: c", "a\x00b", "geheim-ä", "1/2:3\r\nX: y"])
def test_an_invalid_token_is_a_configuration_error_that_does_not_show_it(token: str) -> None:
    with pytest.raises(ConfigurationError, match="ASANA_ACCESS_TOKEN") as caught:
        Transport(base_url="http://127.0.0.1", token=token)
    assert not token.strip() or token.strip() not in error_texts(caught.value)


def test_whitespace_around_a_token_is_ignored(sandbox: Sandbox) -> None:
    with client_at(sandbox.url, token=f" {sandbox.token}\n") as client:
        assert gids(pages(client))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "asana",
        "app.asana.com/api/1.0",
        "//app.asana.com/api/1.0",
        "ftp://app.asana.com",
        "file:///etc/passwd",
        "http://",
        "https:///api/1.0",
        "http://[::1",
        "http://app asana",
        "https://app.asana.com:port",
        "https://app.asana.com:99999",
    ],
)
def test_an_invalid_base_url_names_its_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ASANA_BASE_URL"):
        Transport(base_url=url, token=TOKEN)


def test_a_trailing_slash_of_the_base_url_is_ignored() -> None:
    with serve(respond_with(200, b'{"data":[]}')) as server, client_at(f"{server.url}/") as client:
        list(pages(client))
    [(path, _)] = server.requests
    assert path == "/api/1.0/workspaces?opt_fields=name&limit=100"


@pytest.mark.parametrize("count", [-1, 0, 51, 1000])
def test_a_max_in_flight_outside_asanas_limit_names_its_setting(sandbox: Sandbox, count: int) -> None:
    with pytest.raises(ConfigurationError, match=f"ASANA_MAX_IN_FLIGHT is {count}, but must be from 1 to 50"):
        client_of(sandbox, max_in_flight=count)


@pytest.mark.parametrize("count", [1, 50])
def test_a_max_in_flight_within_asanas_limit_is_accepted(sandbox: Sandbox, count: int) -> None:
    with client_of(sandbox, max_in_flight=count) as client:
        assert client.max_in_flight == count
