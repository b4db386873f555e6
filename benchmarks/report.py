"""The output of a benchmark: a table of figures beside their targets, and an exit code."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One result. Without `at_least` and `at_most` it has no target and is only informative.

    Attributes:
        name: What was measured.
        value: The measured value, in `unit`.
        at_least: Lower bound that the value must reach to meet the target.
        at_most: Upper bound that the value must not exceed to meet the target.
        unit: Printed after the value.
        digits: Number of digits after the decimal point.
    """

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    digits: int = 2

    @property
    def met(self) -> bool:
        """Whether the value meets the target; true without one."""
        low = float("-inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return low <= self.value <= high

    @property
    def target(self) -> str:
        """The target as text; empty without one."""
        bounds = (("≥", self.at_least), ("≤", self.at_most))
        return ", ".join(f"{sign} {self.format(bound)}" for sign, bound in bounds if bound is not None)

    def format(self, value: float) -> str:
        """Format a value with the figure's digits and unit."""
        return f"{value:,.{self.digits}f}{self.unit and ' '}{self.unit}"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a benchmark that can be run alone.

    Attributes:
        title: What the part does.
        measure: Runs the part and returns its figures.
    """

    title: str
    measure: Callable[[], Sequence[Figure]]


def main(
    module: str, description: str | None, parts: Mapping[str, Part], arguments: Sequence[str] | None = None
) -> int:
    """Run the parts named on the command line, by default all, and return the exit code.

    Returns:
        0, or 1 if a target was missed.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"Part to run: {', '.join(parts)}. Default: all parts, in this order."
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.parts).difference(parts):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}; choose from {', '.join(parts)}")
    missed = 0
    for name in options.parts or parts:
        missed |= report(f"{name}: {parts[name].title}", parts[name].measure())
    return missed


def report(title: str, figures: Sequence[Figure]) -> int:
    """Print the figures and return the exit code: 1 if a target was missed, otherwise 0."""
    table = Table("figure", title=title, title_justify="left", header_style="bold")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for figure in figures:
        verdict = ("met" if figure.met else "[bold red]missed[/]") if figure.target else ""
        table.add_row(figure.name, figure.format(figure.value), figure.target, verdict)
    Console(soft_wrap=True).print(table)
    return 0 if all(figure.met for figure in figures) else 1
