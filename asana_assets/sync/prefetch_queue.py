"""Starts a run's extracts ahead of the steps that store them.

The steps of a run store one extract after the other, and a step that is committing sends no requests. So an extract is
started before its step runs, as soon as its upstream is stored and no other extract has requests left to send. It then
buffers a bounded number of pages until its step consumes them. That keeps the token's rate limit in use. How an extract
is built and where upstream rows are stored is up to the caller.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from asana_assets.asana.errors import CancelledError
from asana_assets.asana.model import Endpoint, Listing
from asana_assets.sync.parent_rows import listings_of_parent, reduced_columns

log = logging.getLogger(__name__)


class Startable(Protocol):
    """What the queue needs to know of an extract."""

    @property
    def all_sent(self) -> bool:
        """Whether the started extract has no more requests to send."""
        ...

    def start(self, on_all_sent: Callable[[], None]) -> object:
        """Start fetching; `on_all_sent` is called, by any thread, when `all_sent` may have become true."""
        ...

    def close(self) -> None:
        """Stop fetching. May be called more than once, and while another thread is in `start`."""
        ...


ExtractT = TypeVar("ExtractT", bound=Startable)


class PrefetchQueue(Generic[ExtractT]):
    """The extracts of one run, each started either ahead of its step or by its step.

    A thread of the queue's own builds and starts all of them, one at a time: a slow or failing prefetch neither delays
    nor fails the step that is storing its rows meanwhile, and upstream tables are never loaded by two threads at once.
    The other methods are for the thread that runs the steps. Call `close` at the end.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        load_upstream: Callable[[str, Sequence[Listing]], pa.Table],
        build: Callable[[Endpoint, Mapping[str, pa.Table]], ExtractT],
        enabled: bool = True,
    ) -> None:
        """Create the queue without starting an extract.

        Args:
            endpoints: What the run stores, in step order. Of several that are ready, the first is prefetched first.
            load_upstream: Returns the stored rows of an upstream endpoint, by its name, reduced to what the given
                listings need of their parents.
            build: Builds the endpoint's extract, not started, from the upstream rows by endpoint name.
            enabled: Whether to prefetch. If not, each extract is started by its own step.
        """
        self._load_upstream = load_upstream
        self._build = build
        self._enabled = enabled
        self._endpoints = tuple(endpoints)
        self._upstream: dict[str, pa.Table] = {}  # used by the queue's thread only
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asana-prefetch")
        self._lock = threading.Lock()  # guards the attributes below
        self._not_started = {endpoint.name: endpoint for endpoint in endpoints}
        self._not_stored = {endpoint.name for endpoint in endpoints}
        self._prefetched: dict[str, Future[ExtractT]] = {}
        self._current: Future[ExtractT] | None = None
        self._starting: ExtractT | None = None
        self._closed = False

    def start(self, endpoint: Endpoint) -> ExtractT:
        """Return the extract of the step that runs now, started; it may have been prefetched.

        The caller consumes or closes it before starting the next.

        Raises:
            Exception: What `load_upstream`, `build` or the extract's own `start` raised.
        """
        with self._lock:
            current = self._prefetched.pop(endpoint.name, None)
            if current is None or _has_failed(current):
                current = self._submit(endpoint)
            self._current = current
        extract = current.result()
        self._prefetch_next()
        return extract

    def mark_stored(self, endpoint: Endpoint) -> None:
        """Record that the endpoint's rows are committed, so that its dependents may be prefetched."""
        with self._lock:
            self._not_stored.discard(endpoint.name)
        self._prefetch_next()

    @property
    def has_more(self) -> bool:
        """Whether any extract was not returned by `start` yet."""
        with self._lock:
            return bool(self._not_started or self._prefetched)

    def close(self) -> None:
        """Stop prefetching, and close the extracts that no step has consumed."""
        with self._lock:
            self._closed = True
            starting = self._starting
        if starting is not None:
            starting.close()  # its `start` may be retrying a request for minutes
        self._thread.shutdown(cancel_futures=True)
        for future in (self._current, *self._prefetched.values()):
            if future is not None and not future.cancelled() and not _has_failed(future):
                future.result().close()

    def _prefetch_next(self) -> None:
        """Start the next extract that is ready, unless another still has requests to send.

        Starting it sooner would finish neither sooner. Called whenever that may have changed, by any thread.
        """
        with self._lock:
            started = [future for future in (self._current, *self._prefetched.values()) if future is not None]
            if self._closed or not self._enabled or any(map(_is_sending, started)):
                return
            endpoint = next(filter(self._is_ready, self._not_started.values()), None)
            if endpoint is None:
                return
            future = self._prefetched[endpoint.name] = self._submit(endpoint)
        future.add_done_callback(partial(self._finish_prefetch, endpoint))

    def _is_ready(self, endpoint: Endpoint) -> bool:
        return bool(endpoint.upstream) and self._not_stored.isdisjoint(endpoint.upstream)

    def _finish_prefetch(self, endpoint: Endpoint, future: "Future[ExtractT]") -> None:
        with self._lock:
            is_step_waiting = self._current is future  # and raises the error itself
            if self._closed:
                return
        error = future.exception()
        if error is not None and not is_step_waiting:
            reason = f"{type(error).__name__}: {error}"
            log.warning("%s could not be prefetched, so its own step will start it (%s)", endpoint.name, reason)
        self._prefetch_next()

    def _submit(self, endpoint: Endpoint) -> "Future[ExtractT]":
        """Schedule the start of an extract; for a caller that holds the lock."""
        self._not_started.pop(endpoint.name, None)
        return self._thread.submit(self._start_extract, endpoint)

    def _start_extract(self, endpoint: Endpoint) -> ExtractT:
        upstream = {
            name: self._load(name).select(list(reduced_columns(listings_of_parent(endpoint, name))))
            for name in endpoint.upstream
        }
        self._drop_unneeded_upstream()
        extract = self._build(endpoint, upstream)
        with self._lock:
            if self._closed:
                raise CancelledError(f"{endpoint.name} was not started: stopped")
            self._starting = extract
        try:
            extract.start(self._prefetch_next)
        finally:
            with self._lock:
                self._starting = None
        return extract

    def _load(self, name: str) -> pa.Table:
        """Load an upstream table once for all its dependents in this run, with what any of them needs."""
        if name not in self._upstream:
            listings = [listing for endpoint in self._endpoints for listing in listings_of_parent(endpoint, name)]
            self._upstream[name] = self._load_upstream(name, listings)
        return self._upstream[name]

    def _drop_unneeded_upstream(self) -> None:
        with self._lock:
            needed = {name for endpoint in self._not_started.values() for name in endpoint.upstream}
        self._upstream = {name: rows for name, rows in self._upstream.items() if name in needed}


def _has_failed(future: "Future[ExtractT]") -> bool:
    return future.done() and future.exception() is not None


def _is_sending(future: "Future[ExtractT]") -> bool:
    """Return whether the extract is still being started or has requests left to send."""
    return not future.done() or (future.exception() is None and not future.result().all_sent)
