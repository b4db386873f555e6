"""What a benchmark says: a table of figures, each beside its target, and an exit code."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One result.

    Attributes:
        name: What was measured.
        value: As measured, in `unit`.
        at_least: The target, or
        at_most: the target; with neither, the figure is for information.
        unit: Behind the value.
        digits: After the decimal point.
    """

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    digits: int = 2

    @property
    def met(self) -> bool:
        low = float("-inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return low <= self.value <= high

    @property
    def target(self) -> str:
        bounds = (("≥", self.at_least), ("≤", self.at_most))
        return ", ".join(f"{sign} {self.written(bound)}" for sign, bound in bounds if bound is not None)

    def written(self, value: float) -> str:
        return f"{value:,.{self.digits}f}{self.unit and ' '}{self.unit}"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a benchmark that can be asked for alone; `title` says what it measures."""

    title: str
    measure: Callable[[], Sequence[Figure]]


def main(module: str, purpose: str | None, parts: Mapping[str, Part], arguments: Sequence[str] | None = None) -> int:
    """Measure and report the parts that the command's arguments name, all if none; give the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=purpose)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; default: all")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts).difference(parts):
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    missed = 0
    for name in given.parts or parts:
        missed |= report(f"{name}: {parts[name].title}", parts[name].measure())
    return missed


def report(title: str, figures: Sequence[Figure]) -> int:
    """Print the figures; give the exit code, 1 if a target was missed."""
    table = Table("figure", title=title, title_justify="left", header_style="bold")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for figure in figures:
        verdict = ("met" if figure.met else "[bold red]missed[/]") if figure.target else ""
        table.add_row(figure.name, figure.written(figure.value), figure.target, verdict)
    Console(soft_wrap=True).print(table)
    return 0 if all(figure.met for figure in figures) else 1
