"""Which rate a plan suggests."""

import pytest

from asana_assets.cli.rates import other_rate, rate_advice

TOO_HIGH = "; a higher rate only causes 429 responses"


@pytest.mark.parametrize(
    ("rate", "is_paid", "advice"),
    [
        (1.25, True, "paid plan: set ASANA_REQUESTS_PER_SECOND=24, you run at 1.25"),
        (1.3, False, ""),
        (1.0, False, "free plan: set ASANA_REQUESTS_PER_SECOND=2.4, you run at 1"),
        (24, True, ""),
        (24, False, f"free plan: set ASANA_REQUESTS_PER_SECOND=2.4, you run at 24{TOO_HIGH}"),
        (30, True, f"paid plan: set ASANA_REQUESTS_PER_SECOND=24, you run at 30{TOO_HIGH}"),
    ],
)
def test_a_rate_far_below_or_above_the_plans_is_worth_a_word(rate: float, is_paid: bool, advice: str) -> None:  # noqa: FBT001 - pytest passes it by name
    assert rate_advice(rate, is_paid=is_paid) == advice


def test_a_plan_names_the_allowed_rate_only_if_it_is_much_faster() -> None:
    assert other_rate(1.25, may_be_paid=True) == 24
    assert other_rate(1.25, may_be_paid=False) is None
    assert other_rate(24, may_be_paid=True) is None
