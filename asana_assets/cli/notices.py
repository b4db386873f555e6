"""What a command has to say besides its figures: errors, warnings and notes, printed one per line."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

SYNCED: Final = 0
"""Exit code if everything was synced."""

NOT_SYNCED: Final = 1
"""Exit code if something was not synced; with `--strict`, also if there are warnings."""

INTERRUPTED: Final = 130
"""Exit code after SIGINT or SIGTERM, as shells report it for SIGINT."""


class Level(Enum):
    """What a notice means for the reader, most urgent first. The value is printed before the message."""

    ERROR = "Error"
    INTERRUPTED = "Interrupted"
    NOT_STARTED = "Not started"
    WARNING = "Warning"
    NOTE = "Note"


_STYLES: Final = {
    Level.ERROR: "bold red",
    Level.INTERRUPTED: "bold red",
    Level.NOT_STARTED: "bold red",
    Level.WARNING: "bold yellow",
    Level.NOTE: "bold",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact that the user must know.

    Attributes:
        level: Its urgency.
        message: Full sentences that name what is concerned and say what to do.
    """

    level: Level
    message: str


def decide_exit_code(notices: Sequence[Notice], *, strict: bool) -> int:
    """Return the exit code of a sync with these notices; `strict` makes warnings count as errors."""
    levels = {notice.level for notice in notices}
    if Level.INTERRUPTED in levels:
        return INTERRUPTED
    failing = {Level.ERROR, Level.NOT_STARTED, *([Level.WARNING] if strict else [])}
    return NOT_SYNCED if levels & failing else SYNCED


def print_notices(notices: Sequence[Notice]) -> None:
    """Print each notice once, by level: notes to stdout, everything else to stderr, which is empty after a clean sync.

    On a terminal, messages are wrapped at its width; otherwise, each notice is one line.
    """
    levels = list(Level)
    unique = sorted(dict.fromkeys(notices), key=lambda notice: levels.index(notice.level))
    _print([notice for notice in unique if notice.level is Level.NOTE], Console())
    _print([notice for notice in unique if notice.level is not Level.NOTE], Console(stderr=True))


def _print(notices: Sequence[Notice], console: Console) -> None:
    if not console.is_terminal:
        for notice in notices:
            click.echo(f"{notice.level.value}: {_one_line(notice.message)}", err=console.stderr)
    elif notices:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(min_width=max(len(level.value) for level in Level), no_wrap=True)
        grid.add_column(overflow="fold")
        for notice in notices:
            grid.add_row(Text(notice.level.value, _STYLES[notice.level]), Text(_one_line(notice.message)))
        console.print(grid)


def _one_line(message: str) -> str:
    """Return the message without line breaks and control characters, which names and Asana's messages may contain."""
    return " ".join("".join(character if character.isprintable() else " " for character in message).split())
