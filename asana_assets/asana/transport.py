"""HTTP transport: sends one GET with the token and returns the complete response.

The only module of this package that knows the HTTP library. It decides nothing about timing, retries or paging
(`client`) and does not interpret responses (`response`), except for a 401, after which it refreshes the token.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, LocationParseError, ReadTimeoutError
from urllib3.util import parse_url

from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.response import RetryableError

log = logging.getLogger(__name__)

MAX_IN_FLIGHT: Final = 50
"""Asana's limit of concurrent requests per token (https://developers.asana.com/docs/rate-limits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete HTTP response.

    Attributes:
        status: HTTP status.
        headers: Header values; names are case-insensitive.
        body: Body, with its content encoding removed.
        token_replaced: Whether this is a 401 for a token that has been replaced since, so that a retry may succeed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    token_replaced: bool = False


class Transport:
    """Sends requests with one token over a pool of connections. Thread-safe.

    Attributes:
        max_in_flight: Maximum number of concurrent requests, and the size of the connection pool.
    """

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        max_in_flight: int = 40,
        connect_timeout_seconds: float = 10.0,
        read_timeout_seconds: float = 60.0,
        refresh_token: Callable[[], str] | None = None,
    ) -> None:
        """Open a session without sending a request.

        Args:
            base_url: Base URL of the API.
            token: Personal access token.
            max_in_flight: Maximum number of concurrent requests, from 1 to `MAX_IN_FLIGHT`.
            connect_timeout_seconds: Time limit for connecting.
            read_timeout_seconds: Time limit for the response's start, and again for its whole body.
            refresh_token: Returns the current token; called after a 401.

        Raises:
            ConfigurationError: The URL, the token or `max_in_flight` is invalid.
        """
        if not 1 <= max_in_flight <= MAX_IN_FLIGHT:
            raise ConfigurationError(f"ASANA_MAX_IN_FLIGHT is {max_in_flight}, but must be from 1 to {MAX_IN_FLIGHT}")
        self.max_in_flight = max_in_flight
        self._base_url = _validated_url(base_url)
        self._timeout = (connect_timeout_seconds, read_timeout_seconds)
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "asana_assets", "Accept": "application/json"})
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=max_in_flight))
        # Computed once, as it costs as much as the rest of a request. Proxies and certificates come from the
        # environment.
        self._prepared = self._prepare(token)
        self._settings = self._session.merge_environment_settings(self._base_url, {}, True, None, None)  # noqa: FBT003 - its `stream` parameter
        self._refresh_token = refresh_token
        self._refresh_lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, params: Mapping[str, str]) -> Response:
        """Send one GET request for a path below the base URL.

        Raises:
            RetryableError: No complete response arrived in time.
        """
        prepared = self._prepared
        request = prepared.copy()
        request.url = f"{self._base_url}{quote(path)}?{urlencode(params, safe=',')}"
        try:
            with self._session.send(
                request,
                timeout=self._timeout,
                allow_redirects=False,  # the API does not redirect, and the token must not be forwarded
                **self._settings,
            ) as response:
                if response.status_code < HTTPStatus.OK:
                    # An interim response; the final one must not become that of the connection's next request.
                    response.raw.close()
                    raise RetryableError(f"Asana returned {response.status_code}")
                body = _read_body(response, deadline=time.monotonic() + self._timeout[1])
        except (requests.RequestException, HTTPError) as error:
            is_slow = isinstance(error, requests.ReadTimeout | ReadTimeoutError)
            raise RetryableError(_describe(error), overloaded=is_slow) from None
        return Response(
            status=response.status_code,
            headers=response.headers,
            body=body,
            token_replaced=response.status_code == HTTPStatus.UNAUTHORIZED and self._replace_token(prepared),
        )

    def _prepare(self, token: str) -> requests.PreparedRequest:
        auth = _BearerAuth(_validated_token(token))
        return self._session.prepare_request(requests.Request("GET", self._base_url, auth=auth))

    def _replace_token(self, rejected: requests.PreparedRequest) -> bool:
        """Refresh the token unless another thread already did, and return whether it differs from the rejected one."""
        with self._refresh_lock:
            if self._prepared is rejected and self._refresh_token:
                try:
                    refreshed = self._prepare(self._refresh_token())
                except ConfigurationError:
                    log.warning("Asana rejected the token, and it could not be read again")
                    return False
                if refreshed.headers != rejected.headers:
                    log.info("Asana rejected the token; continuing with the one that replaced it")
                    self._prepared = refreshed
            return self._prepared is not rejected


class _BearerAuth(AuthBase):
    """Bearer authentication as an `AuthBase`, since requests would overwrite a plain header from a netrc file."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


def _read_body(response: requests.Response, *, deadline: float) -> bytes:
    """Read the body within an overall deadline, so that a server that sends byte by byte cannot block a thread."""
    chunks: list[bytes] = []
    while chunk := response.raw.read1(1 << 18, decode_content=True):  # `iter_content` blocks until a chunk is full
        chunks.append(chunk)
        if time.monotonic() > deadline:
            raise requests.ReadTimeout
    return b"".join(chunks)


_DESCRIPTIONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (requests.Timeout, "timed out"),
    (requests.exceptions.SSLError, "the TLS certificate was rejected"),
    (requests.exceptions.ProxyError, "the proxy refused the connection"),
    (requests.ConnectionError, "no connection"),
    # urllib3's own errors occur while the body is read.
    (ReadTimeoutError, "timed out"),
    (HTTPError, "the response was cut off"),
)


def _describe(error: Exception) -> str:
    """Describe a failure without the URL that requests puts in its messages."""
    return next((text for error_class, text in _DESCRIPTIONS if isinstance(error, error_class)), type(error).__name__)


def _validated_url(url: str) -> str:
    try:
        parsed = parse_url(url)
    except LocationParseError:
        parsed = parse_url("")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigurationError(f"ASANA_BASE_URL is not an http:// or https:// URL: {url!r}")
    return url.rstrip("/")


def _validated_token(token: str) -> str:
    stripped = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", stripped):
        raise ConfigurationError(
            "the access token is empty or contains characters that are not allowed in a token; check "
            "ASANA_ACCESS_TOKEN, or the secret that ASANA_TOKEN_SECRET_ID names"
        )
    return stripped
