"""What a benchmark says: a table of figures, each beside its target, and an exit code."""

from collections.abc import Sequence
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
