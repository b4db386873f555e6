"""A whole sync at the limit: how many requests it takes, and how near to the rate's own time it stays.

The command `asana-assets sync` against the sandbox, at 99 % of what the plan allows: the paid plan's 1,500 requests a
minute in real time, and the free plan's 150 with a minute of six seconds. There, what the command takes beyond
requests / rate is not shortened with the minute, and is set against the time that the requests take in a real one.
"""

import sys
from dataclasses import dataclass
from functools import partial
from typing import Final

from asana_assets.sandbox import Sandbox
from benchmarks.command import Run, sync
from benchmarks.report import Figure, Part, main

REQUESTS: Final = 1.0
"""Of the fewest that a perfect client needs."""
WALL: Final = 1.10
"""Of requests / rate, for the command from its start to its end."""
IN_FLIGHT: Final = 50
REJECTED: Final = 0

SCALE: Final = "reference"
SHARE_OF_LIMIT: Final = 0.99
LATENCY: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What Asana allows in a minute, and how long the minute is here, in seconds."""

    requests_per_minute: int
    minute: float = 60.0

    @property
    def rate(self) -> float:
        return SHARE_OF_LIMIT * self.requests_per_minute / self.minute

    def wall(self, seconds: float, requests: int) -> float:
        """Give wall time to requests / rate, as it is when a minute has 60 seconds."""
        ideal = requests / self.rate
        return 1 + (seconds - ideal) / (ideal * 60 / self.minute)


PLANS: Final = {"paid": Plan(requests_per_minute=1_500), "free": Plan(requests_per_minute=150, minute=6.0)}


def measure(plan: Plan) -> list[Figure]:
    """Sync once.

    Raises:
        RuntimeError: the command failed, or its tables do not hold what there is.
    """
    with Sandbox(
        SCALE,
        latency=LATENCY,
        jitter=LATENCY / 2,
        requests_per_minute=plan.requests_per_minute,
        window_seconds=plan.minute,
    ) as sandbox:
        run = sync(sandbox.url, sandbox.token, rate=plan.rate)
        _check(run, sandbox)
        workspaces = sandbox.organization.workspaces()
        fewest = 1 + sum(sum(sandbox.minimal_requests(one.gid).values()) for one in workspaces)
        log = sandbox.log
        asking = max(entry.finished for entry in log) - log[0].received
        return [
            Figure(name="requests", value=len(log), digits=0),
            Figure(name="of the fewest possible", value=len(log) / fewest, at_most=REQUESTS, digits=3),
            Figure(name="rate", value=plan.rate, unit="/s"),
            Figure(name="requests / rate", value=len(log) / plan.rate, unit="s", digits=1),
            Figure(name="whole command", value=run.wall_seconds, unit="s", digits=1),
            Figure(name="of requests / rate", value=plan.wall(run.wall_seconds, len(log)), at_most=WALL, digits=3),
            Figure(name="first request to last", value=asking, unit="s", digits=1),
            Figure(name="CPU of the command", value=run.cpu_seconds, unit="s", digits=1),
            Figure(name="most in flight", value=sandbox.max_in_flight, at_most=IN_FLIGHT, digits=0),
            Figure(name="rejected (429)", value=sandbox.rejection_count, at_most=REJECTED, digits=0),
        ]


def _check(run: Run, sandbox: Sandbox) -> None:
    for (asset, workspace), step in run.steps.items():
        there = len(sandbox.truth(asset, workspace))
        if step.rows != there:
            raise RuntimeError(f"{asset} has {step.rows} rows of {there}")


PARTS: Final = {
    name: Part(f"{plan.requests_per_minute:,} requests in {plan.minute:g} s, scale {SCALE}", partial(measure, plan))
    for name, plan in PLANS.items()
}

if __name__ == "__main__":
    sys.exit(main("benchmarks.sync", __doc__, PARTS))
