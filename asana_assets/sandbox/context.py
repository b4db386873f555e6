"""The sandbox as a context manager: an organization, a server in a thread, and controls for both."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from asana_assets.sandbox import expected
from asana_assets.sandbox.api.application import PREFIX, Application, LogEntry, Options
from asana_assets.sandbox.api.faults import Fault, FaultPlan, Faults
from asana_assets.sandbox.api.misbehaviors import find_misbehavior
from asana_assets.sandbox.data import tables
from asana_assets.sandbox.data.scenario import build_organization

try:
    import uvicorn
except ModuleNotFoundError as error:
    message = "The sandbox needs uvicorn, which is not installed: run pip install 'asana-assets[cli]'"
    raise ModuleNotFoundError(message, name=error.name) from None

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from types import TracebackType
    from typing import Self, Unpack

    from asana_assets.sandbox.api.fault_kinds import FaultKind, FaultOptions, Match
    from asana_assets.sandbox.data.model import JSON
    from asana_assets.sandbox.data.organization import Organization
    from asana_assets.sandbox.data.scale import Scale

TOKEN = "1/1200000000000001:sandbox"  # noqa: S105 - valid only for the sandbox
"""The default access token."""

_STARTUP_SECONDS = 30
_TOO_MANY_REQUESTS = 429


class _Server(uvicorn.Server):
    """A uvicorn server that stops immediately instead of polling a flag, because tests start hundreds of them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self.ready.set()
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def stop(self) -> None:
        """Stop the server. Callable from any thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)


class Sandbox:
    """Asana on a local port, for the duration of a `with` block.

    Args:
        scale: Size of the generated organization, or the name of a size.
        seed: Determines the generated organization and the latencies.
        organization: Replaces the generated organization.
        tokens: Valid access tokens, all of the same user. Each has its own rate limit.
        latency: Mean time before a response, in seconds; uniformly distributed within ± `jitter`.
        requests_per_minute: Rate limit of each token; None is unlimited.
        window_seconds: Length of the rate limits' window; tests shorten it.
        search_per_minute: Separate rate limit of each token for searches; None is unlimited.
        search_lag: How long the search index takes to notice a change, in seconds.
        max_concurrent_requests: Limit of each token; more are rejected with 429.
        offset_lifetime_seconds: How long an offset is valid.
        faults: Lets a fraction of first attempts fail.
        misbehavior: Names of behaviors of `MISBEHAVIORS`. Those that affect each listing once affect its second
            fetch.
        clock_skew: Seconds that the server's clock, which the header `Date` and `modified_at` show, is ahead.
        port: 0 selects a free port.
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
        max_concurrent_requests: int = 50,
        offset_lifetime_seconds: float = 900,
        faults: FaultPlan | None = None,
        misbehavior: Sequence[str] = (),
        clock_skew: float = 0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.organization = organization or build_organization(seed=seed, scale=scale)
        self.tokens = tokens
        self.organization.clock_skew = clock_skew
        self.faults = Faults(faults)
        for name in misbehavior:
            self.misbehave(name, skip=1)
        options = Options(
            latency=latency,
            jitter=jitter,
            requests_per_minute=requests_per_minute,
            window_seconds=window_seconds,
            search_per_minute=search_per_minute,
            search_lag=search_lag,
            max_concurrent_requests=max_concurrent_requests,
            offset_lifetime_seconds=offset_lifetime_seconds,
            seed=seed,
        )
        self.application = Application(self.organization, tokens, self.faults, options)
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    # -- lifecycle

    def __enter__(self) -> Self:
        """Start the server and return once it accepts requests."""
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
            raise RuntimeError(f"the sandbox did not start within {_STARTUP_SECONDS} s")
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server immediately, aborting requests in flight."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, with the API's prefix."""
        return self.application.base_url

    @property
    def token(self) -> str:
        """The first valid access token."""
        return self.tokens[0]

    # -- controls

    def add_fault(self, match: Match, kind: FaultKind, **options: Unpack[FaultOptions]) -> Fault:
        """Add a fault for the requests that match. `Fault` documents the options."""
        return self.faults.add(Fault(match=match, kind=kind, **options))

    def misbehave(self, name: str, *, skip: int = 0) -> list[Fault]:
        """Behave as `MISBEHAVIORS` describes under this name from now on, and return the added faults.

        Behaviors that affect each listing once affect its fetch after the next `skip`.

        Raises:
            ValueError: There is no such behavior.
        """
        behavior = find_misbehavior(name)
        self.organization.clock_skew += behavior.clock_skew
        return [self.faults.add(fault) for fault in behavior.build(self.organization, skip)]

    def revoke_token(self, token: str | None = None) -> None:
        """Reject a token, by default the first, with 401 from now on."""
        self.application.revoke_token(token or self.token)

    def lower_limit(self, requests_per_minute: int, seconds: float) -> None:
        """Lower the rate limit of every token temporarily."""
        until = time.monotonic() + seconds
        for window in self.application.windows.values():
            window.lower(requests_per_minute, until)

    def expire_offsets(self) -> None:
        """Expire every offset issued until now."""
        self.application.offsets.expire_all(time.time())

    # -- observations

    @property
    def log(self) -> list[LogEntry]:
        """Every request so far, in the order received."""
        return self.application.log

    @property
    def rejection_count(self) -> int:
        """Number of requests that a limit, not a fault, rejected with 429."""
        return sum(entry.status == _TOO_MANY_REQUESTS and not entry.fault for entry in self.log)

    @property
    def max_in_flight(self) -> int:
        """The highest number of concurrent requests so far."""
        return max((entry.in_flight for entry in self.log), default=0)

    def max_requests_within(self, seconds: float = 60) -> int:
        """Return the highest number of requests received within any period of this length."""
        recent: deque[float] = deque()
        highest = 0
        for entry in list(self.log):
            recent.append(entry.received)
            while recent[0] <= entry.received - seconds:
                recent.popleft()
            highest = max(highest, len(recent))
        return highest

    # -- expectations

    def truth(self, endpoint: str, workspace_gid: str = "", endpoints: Collection[str] = ()) -> list[dict[str, JSON]]:
        """Return the records that a complete sync contains for a workspace; `workspaces` does not require one.

        Args:
            endpoint: The endpoint.
            workspace_gid: The workspace.
            endpoints: The endpoints that are synced besides the standard ones, some of which list more records.
        """
        return expected.truth(self.organization, endpoint, workspace_gid, endpoints)

    def minimal_requests(self, workspace_gid: str, endpoints: Collection[str] = ()) -> dict[str, int]:
        """Return, by endpoint, the minimum number of requests of a full first sync of one workspace.

        It is that of the standard endpoints and `endpoints`. The single request for `workspaces` is not included.
        """
        return tables.minimal_requests(self.organization, workspace_gid, endpoints)
