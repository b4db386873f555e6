"""The sandbox as a context manager: an organization, a server of it in a thread, and the hands to disturb both."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import uvicorn

from asana_assets.sandbox import expected
from asana_assets.sandbox.faults import Fault, FaultPlan, Faults
from asana_assets.sandbox.scenario import Scale, build_organization
from asana_assets.sandbox.server import PREFIX, Application, LogEntry, Options

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from asana_assets.sandbox.faults import FaultKind, Match, RetryAfter
    from asana_assets.sandbox.model import JSON
    from asana_assets.sandbox.organization import Organization

TOKEN = "1/1200000000000001:sandbox"  # noqa: S105 - opens the sandbox only
_STARTUP_SECONDS = 30


class _Server(uvicorn.Server):
    """Uvicorn, but it ends the moment it is told to: a test bench starts hundreds of them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.ready.set()
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def end(self) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._ended.set)


class Sandbox:
    """Asana on a port of this host, from `with` to the end of its block.

    Seconds everywhere. Without `requests_per_minute` there is no minute limit.
    """

    def __init__(
        self,
        scale: str | Scale = "tiny",
        seed: int = 1,
        *,
        organization: Organization | None = None,
        tokens: tuple[str, ...] = (TOKEN,),
        latency: float = 0,
        jitter: float = 0,
        requests_per_minute: int | None = None,
        window_seconds: float = 60,
        search_per_minute: int | None = 60,
        search_lag: float = 0,
        concurrency: int = 50,
        offset_seconds: float = 900,
        faults: FaultPlan | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.organization = organization or build_organization(seed=seed, scale=scale)
        self.tokens = tokens
        self.faults = Faults(faults)
        options = Options(
            latency=latency,
            jitter=jitter,
            requests_per_minute=requests_per_minute,
            window_seconds=window_seconds,
            search_per_minute=search_per_minute,
            search_lag=search_lag,
            concurrency=concurrency,
            offset_seconds=offset_seconds,
            seed=seed,
        )
        self.application = Application(self.organization, tokens, self.faults, options)
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    # -- running

    def __enter__(self) -> Self:
        """Bind, serve, and return once requests are answered."""
        listener = socket.create_server(self._address, backlog=1024)
        host, port = listener.getsockname()[:2]
        self.application.base_url = f"http://{host}:{port}{PREFIX}"
        config = uvicorn.Config(
            self.application,
            log_config=None,
            access_log=False,
            log_level="critical",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=1024,
            timeout_keep_alive=75,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True
        )
        self._thread.start()
        if not self._server.ready.wait(_STARTUP_SECONDS):
            raise RuntimeError("the sandbox did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop at once, whatever is in flight."""
        if self._server is not None and self._thread is not None:
            self._server.end()
            self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, with the API's prefix."""
        return self.application.base_url

    @property
    def token(self) -> str:
        return self.tokens[0]

    # -- disturbing

    def add_fault(
        self,
        match: Match,
        kind: FaultKind,
        *,
        times: int | None = None,
        skip: int = 0,
        retry_after: RetryAfter = None,
        message: str | None = None,
        body: JSON = None,
        hang_seconds: float = 30,
    ) -> Fault:
        """Order a fault; see `Fault` for what the words mean."""
        return self.faults.order(
            Fault(
                match=match,
                kind=kind,
                times=times,
                skip=skip,
                retry_after=retry_after,
                message=message,
                body=body,
                hang_seconds=hang_seconds,
            )
        )

    def revoke_token(self, token: str | None = None) -> None:
        """The token, the first by default, is refused with 401 from now on."""
        self.application.revoke(token or self.token)

    def lower_limit(self, requests_per_minute: int, seconds: float) -> None:
        """For so many seconds every token may do less."""
        until = time.monotonic() + seconds
        for window in self.application.windows.values():
            window.lower(requests_per_minute, until)

    def expire_offsets(self) -> None:
        """Every offset issued so far has expired."""
        self.application.offsets.expire_all(time.time())

    # -- knowing

    @property
    def log(self) -> list[LogEntry]:
        """Every request so far, in the order received."""
        return self.application.log

    @property
    def rejection_count(self) -> int:
        """How many requests a limit (not a fault) answered with 429."""
        return sum(entry.status == 429 and not entry.fault for entry in self.log)  # noqa: PLR2004

    @property
    def max_in_flight(self) -> int:
        return max((entry.in_flight for entry in self.log), default=0)

    def max_requests_within(self, seconds: float = 60) -> int:
        """The most requests received within any such span."""
        span: deque[float] = deque()
        most = 0
        for entry in list(self.log):
            span.append(entry.received)
            while span[0] <= entry.received - seconds:
                span.popleft()
            most = max(most, len(span))
        return most

    def truth(self, endpoint: str, workspace_gid: str = "") -> list[dict[str, JSON]]:
        """The records that a finished sync holds for a workspace; `workspaces` needs none."""
        return expected.truth(self.organization, endpoint, workspace_gid)

    def minimal_requests(self, workspace_gid: str) -> dict[str, int]:
        """The fewest requests of a full first sync of a workspace, by endpoint, beside one for `workspaces`."""
        return expected.minimal_requests(self.organization, workspace_gid)
