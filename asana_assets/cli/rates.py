"""The request rates that Asana's plans allow, and what to say about the configured one."""

from typing import Final

PAID_RATE: Final = 24.0
"""Requests per second just below the 1,500 per minute of paid plans."""

FREE_RATE: Final = 2.4
"""Requests per second just below the 150 per minute of free plans."""

_LIMIT_PER_RATE: Final = 25 / PAID_RATE  # of Asana's own limit to the rates above
_MIN_SHARE: Final = 0.5  # a configured rate below this share of the plan's is worth a word

SETTING: Final = "ASANA_REQUESTS_PER_SECOND"


def plan_rate(*, is_paid: bool) -> float:
    """Return the rate to configure on a plan."""
    return PAID_RATE if is_paid else FREE_RATE


def is_right_rate(rate: float, *, is_paid: bool) -> bool:
    """Return whether the rate uses the plan and does not exceed it."""
    return _MIN_SHARE * plan_rate(is_paid=is_paid) <= rate <= _LIMIT_PER_RATE * plan_rate(is_paid=is_paid)


def rate_advice(rate: float, *, is_paid: bool) -> str:
    """Return which rate to set, "" if the configured one is right or deliberately lower."""
    if is_right_rate(rate, is_paid=is_paid):
        return ""
    plan = "paid" if is_paid else "free"
    reason = "" if rate < plan_rate(is_paid=is_paid) else "; a higher rate only causes 429 responses"
    return f"{plan} plan: set {SETTING}={plan_rate(is_paid=is_paid):g}, you run at {rate:g}{reason}"


def other_rate(rate: float, *, may_be_paid: bool) -> float | None:
    """Return the rate that the plan allows if it is well above the configured one, None otherwise."""
    allowed = plan_rate(is_paid=may_be_paid)
    return allowed if rate < _MIN_SHARE * allowed else None
