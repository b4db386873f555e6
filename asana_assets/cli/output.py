"""How `sync` writes: to a terminal, to a log file as text or JSON, or as one JSON document."""

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click
from rich.console import Console
from rich.logging import RichHandler

from asana_assets.cli.line_log import LineHandler, LineLog, LogFormat
from asana_assets.cli.line_progress import LineProgress
from asana_assets.cli.live_progress import LiveProgress
from asana_assets.cli.notices import Level, Notice, print_notices
from asana_assets.cli.options import print_json
from asana_assets.cli.summary import render_location, render_summary, summary_document
from asana_assets.cli.sync_command import SyncReport
from asana_assets.cli.sync_progress import QuietProgress, SyncProgress

_LEVELS = {Level.ERROR: "error", Level.NOTE: "info", Level.WARNING: "warning"}  # of notices in a log; others are errors
_NEXT = "Next: asana-assets status shows how old the tables are."


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOutput:
    """What to write of a sync, and how.

    Attributes:
        as_json: Whether stdout is one JSON document, so that everything else goes to stderr.
        log_format: The form of the log; None for a display in the terminal, or text elsewhere.
        quiet: Whether only warnings and errors are written.
        verbose: Whether the start of each asset and further messages are written.
    """

    as_json: bool = False
    log_format: LogFormat | None = None
    quiet: bool = False
    verbose: bool = False

    @property
    def is_live(self) -> bool:
        """Whether progress is displayed in a terminal."""
        return self.log_format is None and Console(stderr=True).is_terminal

    @property
    def lines(self) -> LineLog:
        """The log."""
        return LineLog(format=self.log_format or LogFormat.TEXT, err=self.as_json)

    @contextmanager
    def progress(self) -> Generator[SyncProgress]:
        """Display progress while the context is open, and the messages of the loggers besides."""
        level = logging.ERROR if self.quiet and not self.verbose else logging.WARNING
        level = logging.INFO if self.verbose else level
        if not self.is_live:
            with _logging_to(LineHandler(self.lines, level)):
                yield QuietProgress() if self.quiet else LineProgress(self.lines, show_starts=self.verbose)
            return
        live = LiveProgress(Console(stderr=True))
        with _logging_to(RichHandler(level, live.console, show_path=False)):
            if self.quiet:
                yield QuietProgress()
                return
            with live:
                yield live

    def write_report(self, report: SyncReport, exit_code: int) -> None:
        """Write the summary, everything that was not clean, where the tables are and what comes next."""
        notices = report.named_notices()
        if self.as_json:
            document = {"exit_code": exit_code, **summary_document(report.lines, report.names)}
            document["notices"] = [{"level": one.level.value, "message": one.message} for one in notices]
            print_json(document)
        if self.log_format is LogFormat.JSON:
            self._log_report(report, notices, exit_code)
            return
        if self.as_json or self.quiet:
            print_notices([one for one in notices if one.level is not Level.NOTE])
            return
        if report.lines:
            for renderable in render_summary(report.lines, report.names):
                Console().print(renderable)
        print_notices(notices)
        if report.lines and not exit_code:
            click.echo(render_location(report.lines))
            Console().print(f"{_NEXT} {report.automation}", highlight=False)

    def _log_report(self, report: SyncReport, notices: Sequence[Notice], exit_code: int) -> None:
        for notice in dict.fromkeys(notices):
            level = _LEVELS.get(notice.level, "error")
            if level != "info" or not self.quiet:
                self.lines.write(notice.message, level=level, event="notice", kind=notice.level.value)
        if not self.quiet:
            totals = summary_document(report.lines, report.names)["totals"]
            self.lines.write("The sync ended.", event="sync_finished", exit_code=exit_code, totals=totals)


@contextmanager
def _logging_to(handler: logging.Handler) -> Generator[None]:
    """Write what the loggers of this package report to the handler."""
    logger = logging.getLogger("asana_assets")
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(handler.level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
