"""Asana resources for tests: the sandbox's tokens, and what a resource does with them."""

import socket
import threading
import traceback

import pytest

from asana_assets.asana.client import ApiRequest, Client, RequestStats
from asana_assets.asana.errors import ConfigurationError
from asana_assets.defs.resources import AsanaResource
from asana_assets.sandbox import Sandbox

SECRET = "2/1200000000000777/1200000000000778:c0ffee"
"""The token that must never appear anywhere."""

DIGITS = "12000000000007771200000000000778"
"""A token that is also valid JSON."""


def build_resource(
    asana: Sandbox, *, access_token: str | None = None, token_secret_id: str | None = None
) -> AsanaResource:
    return AsanaResource(
        base_url=asana.url, requests_per_second=1000, access_token=access_token, token_secret_id=token_secret_id
    )


def count_workspaces(client: Client) -> int:
    """Return the number of workspaces that the client's token can access."""
    pages = client.iter_pages(
        ApiRequest(template="/workspaces"), opt_fields="name", stats=RequestStats(), stop=threading.Event()
    )
    return sum(page.count for page in pages)


def configuration_error(resource: AsanaResource) -> str:
    """Return the message with which the resource fails to open a client; no traceback may show `SECRET`."""
    with pytest.raises(ConfigurationError) as caught:
        resource.client  # noqa: B018 - opened at first access
    assert "c0ffee" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def closed_port() -> str:
    """Return a URL on this host where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
