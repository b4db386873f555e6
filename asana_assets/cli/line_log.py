"""Lines for log files: text, or one JSON object per line."""

import datetime as dt
import logging
from dataclasses import dataclass
from enum import StrEnum

import click
import msgspec


class LogFormat(StrEnum):
    """The form of a line."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLog:
    """Writes one line per event.

    Attributes:
        format: The form of the lines.
        err: Whether events go to stderr; warnings and errors always do.
    """

    format: LogFormat = LogFormat.TEXT
    err: bool = False

    def write(self, message: str, *, level: str = "info", event: str = "message", **fields: object) -> None:
        """Write one event; `fields` are for JSON only, as the message says the same."""
        now = dt.datetime.now(dt.UTC)
        if self.format is LogFormat.JSON:
            entry = {"time": f"{now:%Y-%m-%dT%H:%M:%SZ}", "level": level, "event": event, "message": message, **fields}
            line = msgspec.json.encode(entry).decode()
        else:
            line = f"{now:%Y-%m-%d %H:%M:%S} {message}"
        click.echo(line, err=self.err or level in {"warning", "error"})


class LineHandler(logging.Handler):
    """Writes the records of Python's loggers to a line log."""

    def __init__(self, lines: LineLog, level: int) -> None:
        super().__init__(level)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        level = "info" if record.levelno < logging.WARNING else record.levelname.lower()
        self._lines.write(record.getMessage(), level=level, event="log", logger=record.name)
