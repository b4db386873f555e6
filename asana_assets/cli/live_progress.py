"""Progress in the terminal: what is being fetched, and a line for each finished asset."""

import time
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from asana_assets.asana.model import Endpoint
from asana_assets.cli.sync_progress import SyncPosition
from asana_assets.defs.progress import RequestRate, TrackedExtract, count, describe_result, format_eta

_SAMPLE_SECONDS = 2.0  # over which the displayed request rate is measured
_BAR_WIDTH = 16  # so that a line of figures fits into 80 columns


class LiveProgress(Progress):
    """Two live lines: the workspace, its asset n of m, requests and remaining time; and the asset, parents and rows."""

    def __init__(self, console: Console) -> None:
        self._tracked: dict[TaskID, tuple[TrackedExtract, RequestRate]] = {}
        self._next_sample = 0.0
        self._position = SyncPosition()
        super().__init__(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=_BAR_WIDTH),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
        )

    def start_workspace(self, name: str, endpoints: Sequence[Endpoint], never_synced: Collection[str]) -> None:
        self._position.start_workspace(name, endpoints, never_synced)
        self.console.print(Text(name, "bold"))

    def finish_workspace(self) -> None:
        for task, (extract, _) in list(self._tracked.items()):  # Dagster closes the context of a failed asset late
            self._print_result(extract, "not completed")
            self._forget(task)

    def note(self, message: str) -> None:
        self.console.print(Text(message))

    def _forget(self, task: TaskID) -> None:
        self._tracked.pop(task, None)
        if task in self.task_ids:
            self.remove_task(task)

    @contextmanager
    def track_extract(self, extract: TrackedExtract) -> Generator[None]:
        self.finish_workspace()
        self._position.start_asset(extract.endpoint)
        started_at = time.monotonic()
        task = self.add_task(extract.endpoint.name, total=extract.stats.parents_stale, figures="")
        self._tracked[task] = extract, RequestRate(extract.stats)
        yield
        self._forget(task)
        self._position.finish_asset(extract)
        self._print_result(extract, describe_result(extract.stats, time.monotonic() - started_at))

    def _print_result(self, extract: TrackedExtract, result: str) -> None:
        position = self._position
        number = f"{position.number:>4}/{position.total}  " if position.workspace else ""
        self.console.print(Text(f"{number}{extract.endpoint.name:<24}{result}"))

    def get_renderables(self) -> Iterable[RenderableType]:
        now = time.monotonic()
        sample = now >= self._next_sample
        if sample:
            self._next_sample = now + _SAMPLE_SECONDS
        for task, (extract, request_rate) in list(self._tracked.items()):
            if sample:
                request_rate.sample()
            stats = extract.stats
            figures = f"{count(stats.request_stats.records, 'row')}{format_eta(request_rate.seconds_left)}"
            self.update(task, completed=stats.parents_fetched, total=stats.parents_stale, figures=figures)
            yield self._header(extract, request_rate)
        yield from super().get_renderables()

    def _header(self, extract: TrackedExtract, request_rate: RequestRate) -> Text:
        position = self._position
        where = f"{position.workspace}: asset {position.number} of {position.total}, " if position.workspace else ""
        requests = count(extract.stats.request_stats.requests, "request")
        rate = f", {request_rate.rate:.1f}/s" if request_rate.rate else ""
        return Text(f"{where}{requests}{rate}{format_eta(position.seconds_left(request_rate))}", overflow="fold")
