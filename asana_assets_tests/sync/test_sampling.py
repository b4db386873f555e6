"""The statistics of an estimate."""

from itertools import combinations
from statistics import fmean

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.sync.sampling import Margin, Weights, margin, sampling_order, squared_error

UNHURRIED = settings(deadline=None)  # the machine may be busy
SIZES = st.lists(st.integers(0, 50), min_size=2, max_size=7)


@UNHURRIED
@given(st.integers(0, 300))
def test_every_index_is_sampled_once(count: int) -> None:
    assert sorted(sampling_order(count)) == list(range(count))


@UNHURRIED
@given(st.integers(1, 300), st.data())
def test_a_sample_is_spread_over_the_whole_range_wherever_it_stops(count: int, data: st.DataObject) -> None:
    """No gap between neighbors in the sample is more than four times as long as in an evenly spaced sample."""
    size = data.draw(st.integers(1, count))
    sample = sorted(sampling_order(count)[:size])
    gaps = [later - earlier for earlier, later in zip(sample, [*sample[1:], count], strict=True)]
    assert sample[0] == 0
    assert max(gaps) <= 4 * count / size


@UNHURRIED
@given(SIZES, st.data())
def test_the_squared_error_is_unbiased(sizes: list[int], data: st.DataObject) -> None:
    """Over all samples of a size, it averages to the squared difference between extrapolated and true total."""
    sample_size = data.draw(st.integers(2, len(sizes)))
    samples = list(combinations(sizes, sample_size))
    actual = [(len(sizes) * fmean(sample) - sum(sizes)) ** 2 for sample in samples]
    estimated = [squared_error(sample, len(sizes)) for sample in samples]
    assert fmean(estimated) == pytest.approx(fmean(actual), abs=1e-6)


@UNHURRIED
@given(SIZES)
def test_a_complete_sample_has_no_error(sizes: list[int]) -> None:
    assert squared_error(sizes, len(sizes)) == 0


def test_a_single_sample_may_be_off_by_the_whole_total() -> None:
    assert squared_error([3], 10) == 30**2
    assert squared_error([], 10) == 0


def test_a_margin_is_two_standard_errors_relative_to_the_total() -> None:
    assert margin(1000.25, 250.0625**2) == Margin(rows=1000, relative=0.5)


def test_a_row_without_a_weight_counts_as_one() -> None:
    weights = Weights()
    weights.add("1", 2.5)
    weights.add("1", 0.5)
    gids = pa.array(["1", "2"])
    assert weights.of(gids).to_pylist() == [3.0, 1.0]
    assert weights.total(gids) == 4.0
    assert weights.total(gids, pa.array([10, 1])) == 31.0
    assert weights.total(pa.array([], pa.string())) == 0.0
