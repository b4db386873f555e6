"""The statistics of an estimate: which parents to sample, what a sample stands for, and how far off it may be. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import variance

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array, Chunked
from asana_assets.sync.gids import values_by_gid


def sampling_order(count: int) -> list[int]:
    """Return the indices below `count` so that those of any prefix are spread over the whole range.

    They are in the order of their reversed bits: first the start and the middle, then the gaps between. Gids are in
    the order of creation, so a sample of parents covers every age wherever it stops.
    """
    return sorted(range(count), key=lambda index: f"{index:032b}"[::-1])


def squared_error(sizes: Sequence[float], population: int) -> float:
    """Return the squared standard error of a population's total that is extrapolated from a sample.

    Args:
        sizes: The sizes in the sample.
        population: The number of items that the sample stands for, its own included.
    """
    if len(sizes) < 2:  # noqa: PLR2004 - the variance is unknown, so the error is taken to be the total itself
        return float((population * sum(sizes)) ** 2)
    return population * population * variance(sizes) / len(sizes) * (1 - len(sizes) / population)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How much of a population was sampled."""

    sampled: int
    population: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """An extrapolated number of rows and its margin of error.

    Attributes:
        rows: The number of rows.
        relative: Two standard errors, as a fraction of `rows`. The interval holds the true number in four of five
            cases if sizes are distributed as those of projects are (lognormal, sigma 1), and in fewer if a few parents
            have most of the rows.
    """

    rows: int
    relative: float


def margin(total: float, total_squared_error: float) -> Margin:
    """Return the margin of a total with this squared standard error."""
    return Margin(rows=round(total), relative=2 * sqrt(total_squared_error) / total)


@dataclass(slots=True)
class Weights:
    """The number of rows that a row stands for, by gid; 1 for every row without a weight."""

    _by_gid: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, gid: str, weight: float) -> None:
        """Add to the weight of a row; its first weight replaces the 1."""
        self._by_gid[gid] = self._by_gid.get(gid, 0.0) + weight

    def of(self, gids: Array | Chunked) -> Array:
        """Return the weight of each row."""
        keys, weights = pa.array(self._by_gid, pa.string()), pa.array(self._by_gid.values(), pa.float64())
        return values_by_gid(gids, keys, weights, 1.0)

    def total(self, gids: Array | Chunked, values: Array | None = None) -> float:
        """Return the weighted number of rows, or the weighted sum of one value per row."""
        weights = self.of(gids)
        return float(pc.sum(weights if values is None else pc.multiply(weights, values)).as_py() or 0)
