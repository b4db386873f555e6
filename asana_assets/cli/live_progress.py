"""Progress bars in the terminal, one for each extract that is being consumed."""

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from asana_assets.defs.progress import RequestRate, TrackedExtract, format_eta

_SAMPLE_SECONDS = 2.0  # over which the displayed request rate is measured


class LiveProgress(Progress):
    """Live display of parents fetched and to fetch, rows, requests, request rate and remaining time."""

    def __init__(self, console: Console) -> None:
        self._tracked: dict[TaskID, tuple[TrackedExtract, RequestRate]] = {}
        self._next_sample = 0.0
        super().__init__(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
        )

    @contextmanager
    def track_extract(self, extract: TrackedExtract) -> Generator[None]:
        task = self.add_task(extract.endpoint.name, figures="")
        self._tracked[task] = extract, RequestRate(extract.stats)
        try:
            yield
        finally:
            del self._tracked[task]
            self.remove_task(task)

    def get_renderables(self) -> Iterable[RenderableType]:
        now = time.monotonic()
        sample = now >= self._next_sample
        if sample:
            self._next_sample = now + _SAMPLE_SECONDS
        for task, (extract, request_rate) in list(self._tracked.items()):
            if sample:
                request_rate.sample()
            stats = extract.stats
            figures = (
                f"{stats.rows:,} rows, {stats.request_stats.requests:,} requests, {request_rate.rate:.1f}/s"
                f"{format_eta(request_rate.seconds_left)}"
            )
            self.update(task, completed=stats.parents_fetched, total=stats.parents_stale, figures=figures)
        yield from super().get_renderables()
