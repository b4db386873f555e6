"""How completely, and how cautiously, the token's rate limit is used: against the sandbox's limits, in real time.

`saturation`: latency does not reduce the rate. `rejections`: just below the limit, no request is rejected. `recovery`:
the rate recovers after a disturbance of the server; writes `recovery.png`. `processes`: several processes share one
token. Every client is a process of its own (`load`), and all counts are those of the server.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from asana_assets.sandbox import LogEntry, Sandbox
from benchmarks.load import NAME_PARAMETER, Load, loading
from benchmarks.report import Figure, Part, main

SHARE_USED: Final = 0.97
"""Lowest share of the permitted rate that is used in steady state."""
IN_FLIGHT: Final = 50
"""Highest number of concurrent requests."""
REJECTED: Final = 0
"""Highest number of requests rejected with 429."""
RECOVERY_SECONDS: Final = 60.0
"""Longest time from the end of a disturbance until the rate is back within 5 % of the ceiling."""
RECOVERED: Final = 0.95
"""Share of the ceiling at which the rate counts as recovered."""
HALVED: Final = 0.55
"""Highest share of the ceiling after a cut: half, plus what successful responses still in flight add."""
JAIN: Final = 0.98
"""Lowest Jain index of the requests of two busy processes."""
SMALL_WAIT_SECONDS: Final = 1.0
"""Longest wait of an occasional client beside busy ones."""

LIMIT: Final = 1_500
"""Requests per minute that the sandbox permits."""
CEILING: Final = 0.99 * LIMIT / 60
"""Requests per second of the clients."""
LATENCIES: Final = (0.0, 0.2, 0.7, 1.5)
"""Mean latencies in seconds."""
PLOT: Final = Path(__file__).with_name("recovery.png")
"""The plot of `recovery`."""

_TOO_MANY_REQUESTS = 429


def saturation() -> list[Figure]:
    """Send 25 requests/s at several latencies in parallel, without a limit of the server."""
    ceiling, warm_up, seconds = 25.0, 8.0, 15.0
    figures: list[Figure] = []
    with ExitStack() as stack:
        pacer_url = stack.enter_context(_pacer_urls())
        sandboxes = [stack.enter_context(Sandbox(latency=latency, jitter=latency / 6)) for latency in LATENCIES]
        for sandbox, latency in zip(sandboxes, LATENCIES, strict=True):
            name = f"{latency}"
            stack.enter_context(
                loading(sandbox, pacer_url(name), name=name, ceiling=ceiling, seconds=warm_up + seconds + 2)
            )
        time.sleep(warm_up)
        started_at = time.monotonic()
        time.sleep(seconds)
        for sandbox, latency in zip(sandboxes, LATENCIES, strict=True):
            share = _rate(sandbox.log, started_at, started_at + seconds) / ceiling
            figures += [
                Figure(name=f"share of 25/s used, latency {latency} s", value=share, at_least=SHARE_USED, digits=3),
                Figure(name="maximum in flight", value=sandbox.max_in_flight, at_most=IN_FLIGHT, digits=0),
            ]
    return figures


def rejections() -> list[Figure]:
    """Send 99 % of the limit: from the first minute, then in a new process with idle periods."""
    with _pacer_urls() as pacer_url, Sandbox(latency=0.2, jitter=0.1, requests_per_minute=LIMIT) as sandbox:
        started_at = time.monotonic()
        with loading(sandbox, pacer_url("shared"), name="steady", ceiling=CEILING, seconds=70):
            time.sleep(66)
            share = _rate(sandbox.log, started_at + 3, started_at + 66) / CEILING
        with loading(
            sandbox,
            pacer_url("shared"),
            name="intermittent",
            ceiling=CEILING,
            seconds=30,
            active_seconds=4.0,
            idle_seconds=1.5,
        ):
            pass
        return [
            Figure(name="share of 99 % of the limit used", value=share, at_least=SHARE_USED, digits=3),
            Figure(name="requests", value=len(sandbox.log), digits=0),
            Figure(name="maximum within 60 s", value=sandbox.max_requests_within(60), at_most=LIMIT, digits=0),
            Figure(name="rejected (429)", value=sandbox.rejection_count, at_most=REJECTED, digits=0),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One disturbance. Times are seconds since the first request.

    Attributes:
        title: Names the disturbance.
        disturbed_until: When the disturbance ended.
        sent: When each request was received, and the status of its response.
        rates: The throttle's rate over time, for each process.
    """

    title: str
    disturbed_until: float
    sent: list[tuple[float, int]]
    rates: list[list[tuple[float, float]]]

    @property
    def recovery_seconds(self) -> float:
        """Time from the end of the disturbance until all rates stay within 5 % of the ceiling."""
        below = [at for rates in self.rates for at, rate in rates if rate < RECOVERED * CEILING]
        return max(0.0, max(below) - self.disturbed_until) if below else 0.0

    def figures(self) -> list[Figure]:
        """Return the figures of the report."""
        last = max(at for at, _ in self.sent)
        lowest = min(rate for rates in self.rates for _, rate in rates) / CEILING
        late_rejections = [at for at, status in self.sent if status == _TOO_MANY_REQUESTS and at > self.disturbed_until]
        final_share = sum(at > last - 10 for at, _ in self.sent) / 10 / CEILING
        rejected = sum(status == _TOO_MANY_REQUESTS for _, status in self.sent)
        return [
            Figure(name=f"{self.title}: rejected (429)", value=rejected, digits=0),
            Figure(name="lowest rate / ceiling", value=lowest, at_most=HALVED),
            Figure(
                name="back within 5 % of the ceiling",
                value=self.recovery_seconds,
                at_most=RECOVERY_SECONDS,
                unit="s",
                digits=0,
            ),
            Figure(name="rejected after the disturbance", value=len(late_rejections), at_most=REJECTED, digits=0),
            Figure(name="rate of the last 10 s / ceiling", value=final_share, at_least=RECOVERED),
        ]


def recovery() -> list[Figure]:
    """Disturb three servers: two lower their limit temporarily, one rejects a burst of requests."""
    undisturbed_seconds, lowered_seconds, seconds = 25.0, 20.0, 100.0
    disturbances = {"limit lowered": 1, "limit lowered, two processes": 2, "burst of 429": 1}
    with ExitStack() as stack:
        pacer_url = stack.enter_context(_pacer_urls())
        sandboxes = [
            stack.enter_context(Sandbox(latency=0.2, jitter=0.1, requests_per_minute=LIMIT)) for _ in disturbances
        ]
        loads = [
            [
                stack.enter_context(
                    loading(sandbox, pacer_url(title), name=f"{number}", ceiling=CEILING, seconds=seconds)
                )
                for number in range(processes)
            ]
            for sandbox, (title, processes) in zip(sandboxes, disturbances.items(), strict=True)
        ]
        time.sleep(undisturbed_seconds)
        for sandbox in sandboxes[:-1]:
            sandbox.lower_limit(400, lowered_seconds)
        raised_at = time.monotonic() + lowered_seconds
        burst = sandboxes[-1].add_fault("*", _TOO_MANY_REQUESTS, times=15, retry_after=3)
        for load in chain.from_iterable(loads):
            load.finish()
        if burst.hits < (burst.times or 0):
            raise RuntimeError(f"only {burst.hits} of {burst.times} requests of the burst were rejected")
        ends = [raised_at, raised_at, max(entry.finished for entry in sandboxes[-1].log if entry.fault)]
        results = [_recovery(*arguments) for arguments in zip(disturbances, sandboxes, loads, ends, strict=True)]
    _plot(results)
    return [figure for result in results for figure in result.figures()]


def _recovery(title: str, sandbox: Sandbox, loads: Sequence[Load], disturbed_until: float) -> Recovery:
    started_at = sandbox.log[0].received
    return Recovery(
        title=title,
        disturbed_until=disturbed_until - started_at,
        sent=[(entry.received - started_at, entry.status) for entry in sandbox.log],
        rates=[[(at - started_at, rate) for at, rate in load.rates] for load in loads],
    )


def _plot(results: Sequence[Recovery]) -> None:
    from matplotlib.figure import Figure as Drawing  # noqa: PLC0415 - half a second, needed by one part only

    drawing = Drawing(figsize=(9, 8), layout="constrained")
    axes = drawing.subplots(len(results), 1, sharex=True, sharey=True, squeeze=False)
    for (axis,), result in zip(axes, results, strict=True):
        until = int(max(at for at, _ in result.sent))
        for label, color, rejected in (("accepted", "#7a9cc6", False), ("rejected (429)", "#c0392b", True)):
            instants = [at for at, status in result.sent if (status == _TOO_MANY_REQUESTS) == rejected]
            axis.hist(instants, bins=range(until + 1), color=color, label=f"requests per second, {label}")
        for rates in result.rates:
            axis.plot(*zip(*rates, strict=True), color="black", linewidth=1.2, label="rate of the throttle")
        axis.axhline(RECOVERED * CEILING, color="grey", linestyle=":", label="95 % of the ceiling")
        axis.axvline(
            result.disturbed_until, color="#c0392b", linestyle="--", linewidth=1, label="end of the disturbance"
        )
        axis.set_title(f"{result.title}: recovered after {result.recovery_seconds:.0f} s", loc="left")
        axis.set_ylabel("requests/s")
        axis.set_ylim(0, 1.1 * CEILING)
    axes[-1][0].set_xlabel("seconds")
    axes[0][0].legend(loc="lower right", fontsize="small", framealpha=1)
    drawing.savefig(PLOT, dpi=110, metadata={"Software": None})


def processes() -> list[Figure]:
    """Share a token among two busy processes and an occasional one; kill one, start another, pause the token."""
    pause = 5.0
    with ExitStack() as stack:
        pacer_url = stack.enter_context(_pacer_urls())("shared")
        sandbox = stack.enter_context(Sandbox(latency=0.2, jitter=0.1, requests_per_minute=LIMIT))

        def start(name: str, seconds: float) -> Load:
            return stack.enter_context(loading(sandbox, pacer_url, name=name, ceiling=CEILING, seconds=seconds))

        first, second = start("first", 65), start("second", 110)
        occasional = stack.enter_context(
            loading(
                sandbox,
                pacer_url,
                name="occasional",
                ceiling=CEILING,
                seconds=60,
                threads=1,
                active_seconds=0.5,
                idle_seconds=1.0,
            )
        )
        both_from = time.monotonic() + 2
        time.sleep(57)
        killed_at = time.monotonic()
        first.process.kill()
        time.sleep(17)
        joined_at = time.monotonic()
        third = start("third", 18)
        time.sleep(3)
        sandbox.add_fault("*", _TOO_MANY_REQUESTS, times=1, retry_after=pause)
        third.finish()
        ended_at = time.monotonic()
        second.process.kill()
        occasional.finish()
        log = list(sandbox.log)
    shares = [_rate(log, both_from, killed_at, name) for name in ("first", "second")]
    paused_at = next(entry.finished for entry in log if entry.fault)
    # After 0.2 s the response has arrived and all processes know of the pause.
    during = sum(paused_at + 0.2 < entry.received < paused_at + pause - 0.05 for entry in log)
    resumed = {entry.query[NAME_PARAMETER] for entry in log if paused_at + pause <= entry.received < ended_at}
    return [
        Figure(
            name="share used by both",
            value=_rate(log, both_from, killed_at) / CEILING,
            at_least=SHARE_USED,
            digits=3,
        ),
        Figure(name="fairness of both (Jain index)", value=_jain_index(shares), at_least=JAIN, digits=3),
        Figure(
            name="longest wait of the occasional process",
            value=occasional.longest_wait_seconds,
            at_most=SMALL_WAIT_SECONDS,
            unit="s",
        ),
        Figure(
            name="share used after one was killed",
            value=_rate(log, killed_at + 2, joined_at) / CEILING,
            at_least=SHARE_USED,
            digits=3,
        ),
        Figure(name="sent during a pause", value=during, at_most=0, digits=0),
        Figure(name="processes that resumed after it", value=len(resumed), at_least=2, digits=0),
        Figure(name="maximum within 60 s", value=sandbox.max_requests_within(60), at_most=LIMIT, digits=0),
        Figure(name="maximum in flight", value=sandbox.max_in_flight, at_most=IN_FLIGHT, digits=0),
        Figure(name="rejected (429)", value=sandbox.rejection_count, at_most=REJECTED, digits=0),
    ]


@contextmanager
def _pacer_urls() -> Generator[Callable[[str], str]]:
    """Yield a function that returns the database URL of the pacer with a name; deletes the databases at the end."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        yield lambda name: f"sqlite:///{scratch}/{name}.db"


def _rate(log: Sequence[LogEntry], started_at: float, ended_at: float, name: str | None = None) -> float:
    """Return the requests per second received between two times, from one load or from all."""
    received = [entry for entry in list(log) if started_at <= entry.received < ended_at]
    return sum(name in {None, entry.query.get(NAME_PARAMETER)} for entry in received) / (ended_at - started_at)


def _jain_index(shares: Sequence[float]) -> float:
    """Return Jain's fairness index: 1 if all shares are equal, 1/n if one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


PARTS: Final = {
    part.__name__: Part((part.__doc__ or "").splitlines()[0], part)
    for part in (saturation, rejections, recovery, processes)
}

if __name__ == "__main__":
    sys.exit(main("benchmarks.rate", __doc__, PARTS))
