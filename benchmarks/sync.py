"""A full sync at the rate limit: the number of requests, and the wall time compared with requests / rate.

Runs `asana-assets sync` against the sandbox at 99 % of the plan's limit: 1,500 requests per minute on the paid plan,
and 150 on the free plan, whose minute is shortened to six seconds. That does not shorten the command's overhead beyond
requests / rate, which is therefore compared with the time that the requests would take with a minute of 60 seconds.
"""

import sys
from dataclasses import dataclass
from functools import partial
from typing import Final

from asana_assets.sandbox import Sandbox
from benchmarks.command import Run, sync
from benchmarks.report import Figure, Part, main

REQUESTS_RATIO: Final = 1.0
"""Highest ratio of the requests sent to the minimum."""
WALL_RATIO: Final = 1.10
"""Highest ratio of the whole command's wall time to requests / rate."""
IN_FLIGHT: Final = 50
"""Highest number of concurrent requests."""
REJECTED: Final = 0
"""Highest number of requests rejected with 429."""

SCALE: Final = "reference"
"""Scale of the sandbox."""
SHARE_OF_LIMIT: Final = 0.99
"""Rate of the client, as a share of the limit."""
LATENCY: Final = 0.2
"""Mean latency of the sandbox in seconds; it varies by half of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An Asana plan.

    Attributes:
        requests_per_minute: The rate limit.
        minute_seconds: Length of a minute in the benchmark.
    """

    requests_per_minute: int
    minute_seconds: float = 60.0

    @property
    def rate(self) -> float:
        """Requests per second of the client."""
        return SHARE_OF_LIMIT * self.requests_per_minute / self.minute_seconds

    def wall_ratio(self, seconds: float, requests: int) -> float:
        """Return the ratio of wall time to requests / rate, as if a minute had 60 seconds."""
        ideal = requests / self.rate
        return 1 + (seconds - ideal) / (ideal * 60 / self.minute_seconds)


PLANS: Final = {"paid": Plan(requests_per_minute=1_500), "free": Plan(requests_per_minute=150, minute_seconds=6.0)}


def measure(plan: Plan) -> list[Figure]:
    """Run one sync.

    Raises:
        RuntimeError: The command failed, or its tables are incomplete.
    """
    with Sandbox(
        SCALE,
        latency=LATENCY,
        jitter=LATENCY / 2,
        requests_per_minute=plan.requests_per_minute,
        window_seconds=plan.minute_seconds,
    ) as sandbox:
        run = sync(sandbox.url, sandbox.token, rate=plan.rate)
        _check_complete(run, sandbox)
        workspaces = sandbox.organization.workspaces()
        minimum = 1 + sum(sum(sandbox.minimal_requests(one.gid).values()) for one in workspaces)
        log = sandbox.log
        fetching_seconds = max(entry.finished for entry in log) - log[0].received
        wall_ratio = plan.wall_ratio(run.wall_seconds, len(log))
        return [
            Figure(name="requests", value=len(log), digits=0),
            Figure(name="requests / minimum", value=len(log) / minimum, at_most=REQUESTS_RATIO, digits=3),
            Figure(name="rate", value=plan.rate, unit="/s"),
            Figure(name="requests / rate", value=len(log) / plan.rate, unit="s", digits=1),
            Figure(name="wall time of the command", value=run.wall_seconds, unit="s", digits=1),
            Figure(name="wall time / (requests / rate)", value=wall_ratio, at_most=WALL_RATIO, digits=3),
            Figure(name="first request to last response", value=fetching_seconds, unit="s", digits=1),
            Figure(name="CPU time of the command", value=run.cpu_seconds, unit="s", digits=1),
            Figure(name="maximum in flight", value=sandbox.max_in_flight, at_most=IN_FLIGHT, digits=0),
            Figure(name="rejected (429)", value=sandbox.rejection_count, at_most=REJECTED, digits=0),
        ]


def _check_complete(run: Run, sandbox: Sandbox) -> None:
    for (asset, workspace), step in run.steps.items():
        expected = len(sandbox.truth(asset, workspace))
        if step.rows != expected:
            raise RuntimeError(f"{asset} of workspace {workspace} has {step.rows} rows instead of {expected}")


PARTS: Final = {
    name: Part(
        f"{plan.requests_per_minute:,} requests per {plan.minute_seconds:g} s, scale {SCALE}", partial(measure, plan)
    )
    for name, plan in PLANS.items()
}

if __name__ == "__main__":
    sys.exit(main("benchmarks.sync", __doc__, PARTS))
