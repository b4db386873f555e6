"""Progress as lines, for cron and log files: one per finished asset, and at most one per minute in between."""

import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager

from asana_assets.asana.model import Endpoint
from asana_assets.cli.line_log import LineLog
from asana_assets.cli.sync_progress import SyncPosition
from asana_assets.defs.progress import ProgressLogger, TrackedExtract, describe_result, describe_start


class LineProgress:
    """Writes the progress of a sync to a line log."""

    def __init__(
        self, lines: LineLog, *, show_starts: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Write nothing yet.

        Args:
            lines: Receives the lines.
            show_starts: Whether there is also a line when an asset starts.
            clock: Returns seconds.
        """
        self._lines = lines
        self._show_starts = show_starts
        self._clock = clock
        self._position = SyncPosition()
        self._current: TrackedExtract | None = None

    def start_workspace(self, name: str, endpoints: Sequence[Endpoint], never_synced: Collection[str]) -> None:
        self._position.start_workspace(name, endpoints, never_synced)

    def finish_workspace(self) -> None:
        if self._current is not None:  # Dagster closes the context of a failed asset late, perhaps never
            self._write("asset_failed", self._current, "not completed")
            self._current = None

    def note(self, message: str) -> None:
        self._lines.write(message)

    @contextmanager
    def track_extract(self, extract: TrackedExtract) -> Generator[None]:
        self.finish_workspace()
        self._current = extract
        position, stats, started_at = self._position, extract.stats, self._clock()
        position.start_asset(extract.endpoint)
        log_to_run = stats.on_progress
        log_line = ProgressLogger(extract, lambda text: self._write("asset_progress", extract, text), self._clock)

        def on_progress() -> None:
            log_to_run()
            log_line()

        stats.on_progress = on_progress
        if self._show_starts:
            self._write("asset_started", extract, describe_start(extract))
        yield
        self._current = None
        position.finish_asset(extract)
        result = describe_result(stats, self._clock() - started_at)
        self._write("asset_finished", extract, result, started_at)

    def _write(self, event: str, extract: TrackedExtract, text: str, started_at: float | None = None) -> None:
        position, stats, name = self._position, extract.stats, extract.endpoint.name
        where = f"{position.workspace}: {name} ({position.number} of {position.total})" if position.workspace else name
        self._lines.write(
            f"{where}: {text}",
            event=event,
            workspace=position.workspace or None,
            asset=name,
            number=position.number,
            of=position.total,
            rows=None if started_at is None else stats.written.rows,
            rows_fetched=stats.rows,
            requests=stats.request_stats.requests,
            parents_fetched=stats.parents_fetched,
            parents_stale=stats.parents_stale,
            seconds=None if started_at is None else round(self._clock() - started_at, 3),
        )
