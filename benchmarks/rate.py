"""How well the token's rate is used, and how gently: against the sandbox's limits, in real time.

Four parts: `saturation` (latency must not bound the rate), `rejections` (none, just below the limit), `recovery` (after
the server was in trouble; writes `recovery.png`), `processes` (several share one token). Every client is a process of
its own (`load`); what is counted is what the sandbox received.
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
from benchmarks.load import NAME, Load, loading
from benchmarks.report import Figure, Part, main

SHARE_USED: Final = 0.97
"""Of the permitted rate, in steady state."""
IN_FLIGHT: Final = 50
REJECTED: Final = 0
RECOVERY_SECONDS: Final = 60.0
"""From the end of the trouble until the rate is back within 5 % of the ceiling."""
RECOVERED: Final = 0.95
HALVED: Final = 0.55
"""What a cut leaves of the ceiling, at most: a half, and what answers on their way add to it."""
JAIN: Final = 0.98
SMALL_WAIT_SECONDS: Final = 1.0

LIMIT: Final = 1_500
CEILING: Final = 0.99 * LIMIT / 60
LATENCIES: Final = (0.0, 0.2, 0.7, 1.5)
PLOT: Final = Path(__file__).with_name("recovery.png")

_TOO_MANY = 429


def saturation() -> list[Figure]:
    """Ask as often as 25/s allow, at several latencies side by side; the server has no limit."""
    ceiling, warm_up, seconds = 25.0, 8.0, 15.0
    figures: list[Figure] = []
    with ExitStack() as stack:
        pace = stack.enter_context(_paces())
        sandboxes = [stack.enter_context(Sandbox(latency=latency, jitter=latency / 6)) for latency in LATENCIES]
        for sandbox, latency in zip(sandboxes, LATENCIES, strict=True):
            name = f"{latency}"
            stack.enter_context(loading(sandbox, pace(name), name=name, ceiling=ceiling, seconds=warm_up + seconds + 2))
        time.sleep(warm_up)
        began = time.monotonic()
        time.sleep(seconds)
        for sandbox, latency in zip(sandboxes, LATENCIES, strict=True):
            share = _rate(sandbox.log, began, began + seconds) / ceiling
            figures += [
                Figure(name=f"used of 25/s, latency {latency} s", value=share, at_least=SHARE_USED, digits=3),
                Figure(name="most in flight", value=sandbox.max_in_flight, at_most=IN_FLIGHT, digits=0),
            ]
    return figures


def rejections() -> list[Figure]:
    """Ask at 99 % of the limit: from the first minute on, then in a new process that rests now and then."""
    with _paces() as pace, Sandbox(latency=0.2, jitter=0.1, requests_per_minute=LIMIT) as sandbox:
        began = time.monotonic()
        with loading(sandbox, pace("pace"), name="steady", ceiling=CEILING, seconds=70):
            time.sleep(66)
            share = _rate(sandbox.log, began + 3, began + 66) / CEILING
        with loading(sandbox, pace("pace"), name="resting", ceiling=CEILING, seconds=30, rest_every=4.0, rest=1.5):
            pass
        return [
            Figure(name="used of 99 % of the limit", value=share, at_least=SHARE_USED, digits=3),
            Figure(name="requests", value=len(sandbox.log), digits=0),
            Figure(name="most in any 60 s", value=sandbox.max_requests_within(60), at_most=LIMIT, digits=0),
            Figure(name="rejected (429)", value=sandbox.rejection_count, at_most=REJECTED, digits=0),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One trouble, as it went. Seconds count from the first request."""

    title: str
    ends: float
    sent: list[tuple[float, int]]
    """When, and the status it was answered with."""
    rates: list[list[tuple[float, float]]]
    """Of each process, when and what."""

    @property
    def recovered(self) -> float:
        """From the end of the trouble, the seconds after which the rates stayed within 5 % of the ceiling."""
        below = [at for rates in self.rates for at, rate in rates if rate < RECOVERED * CEILING]
        return max(0.0, max(below) - self.ends) if below else 0.0

    def figures(self) -> list[Figure]:
        last = max(at for at, _ in self.sent)
        lowest = min(rate for rates in self.rates for _, rate in rates) / CEILING
        after = [at for at, status in self.sent if status == _TOO_MANY and at > self.ends]
        regained = sum(at > last - 10 for at, _ in self.sent) / 10 / CEILING
        rejected = sum(status == _TOO_MANY for _, status in self.sent)
        return [
            Figure(name=f"{self.title}: rejected (429)", value=rejected, digits=0),
            Figure(name="lowest rate, of the ceiling", value=lowest, at_most=HALVED),
            Figure(name="back within 5 %, after", value=self.recovered, at_most=RECOVERY_SECONDS, unit="s", digits=0),
            Figure(name="rejected after the trouble", value=len(after), at_most=REJECTED, digits=0),
            Figure(name="sent in the last 10 s, of the ceiling", value=regained, at_least=RECOVERED),
        ]


def recovery() -> list[Figure]:
    """Three servers in trouble: two lower their limit for a while, one rejects a burst of requests."""
    calm, lowered, seconds = 25.0, 20.0, 100.0
    troubles = {"limit lowered": 1, "limit lowered, two processes": 2, "burst of 429": 1}
    with ExitStack() as stack:
        pace = stack.enter_context(_paces())
        sandboxes = [stack.enter_context(Sandbox(latency=0.2, jitter=0.1, requests_per_minute=LIMIT)) for _ in troubles]
        loads = [
            [
                stack.enter_context(loading(sandbox, pace(title), name=f"{number}", ceiling=CEILING, seconds=seconds))
                for number in range(processes)
            ]
            for sandbox, (title, processes) in zip(sandboxes, troubles.items(), strict=True)
        ]
        time.sleep(calm)
        for sandbox in sandboxes[:-1]:
            sandbox.lower_limit(400, lowered)
        ended = time.monotonic() + lowered
        burst = sandboxes[-1].add_fault("*", _TOO_MANY, times=15, retry_after=3)
        for load in chain.from_iterable(loads):
            load.read()
        if burst.hits < (burst.times or 0):
            raise RuntimeError(f"only {burst.hits} of {burst.times} rejections came to pass")
        ends = [ended, ended, max(entry.finished for entry in sandboxes[-1].log if entry.fault)]
        results = [_recovery(*went) for went in zip(troubles, sandboxes, loads, ends, strict=True)]
    _plot(results)
    return [figure for result in results for figure in result.figures()]


def _recovery(title: str, sandbox: Sandbox, loads: Sequence[Load], ended: float) -> Recovery:
    began = sandbox.log[0].received
    return Recovery(
        title=title,
        ends=ended - began,
        sent=[(entry.received - began, entry.status) for entry in sandbox.log],
        rates=[[(at - began, rate) for at, rate in load.rates] for load in loads],
    )


def _plot(results: Sequence[Recovery]) -> None:
    from matplotlib.figure import Figure as Drawing  # noqa: PLC0415 # half a second, for one part alone

    drawing = Drawing(figsize=(9, 8), layout="constrained")
    axes = drawing.subplots(len(results), 1, sharex=True, sharey=True, squeeze=False)
    for (axis,), result in zip(axes, results, strict=True):
        until = int(max(at for at, _ in result.sent))
        for label, color, rejected in (("answered", "#7a9cc6", False), ("rejected (429)", "#c0392b", True)):
            instants = [at for at, status in result.sent if (status == _TOO_MANY) == rejected]
            axis.hist(instants, bins=range(until + 1), color=color, label=f"requests in a second, {label}")
        for rates in result.rates:
            axis.plot(*zip(*rates, strict=True), color="black", linewidth=1.2, label="rate of the throttle")
        axis.axhline(RECOVERED * CEILING, color="grey", linestyle=":", label="95 % of the ceiling")
        axis.axvline(result.ends, color="#c0392b", linestyle="--", linewidth=1, label="the trouble ends")
        axis.set_title(f"{result.title}: back after {result.recovered:.0f} s", loc="left")
        axis.set_ylabel("requests/s")
        axis.set_ylim(0, 1.1 * CEILING)
    axes[-1][0].set_xlabel("seconds")
    axes[0][0].legend(loc="lower right", fontsize="small", framealpha=1)
    drawing.savefig(PLOT, dpi=110, metadata={"Software": None})


def processes() -> list[Figure]:
    """Two busy processes and a small one share a token; one is killed; another comes; the token is paused."""
    pause = 5.0
    with ExitStack() as stack:
        pace = stack.enter_context(_paces())("pace")
        sandbox = stack.enter_context(Sandbox(latency=0.2, jitter=0.1, requests_per_minute=LIMIT))

        def start(name: str, seconds: float) -> Load:
            return stack.enter_context(loading(sandbox, pace, name=name, ceiling=CEILING, seconds=seconds))

        one, other = start("one", 65), start("other", 110)
        small = stack.enter_context(
            loading(sandbox, pace, name="small", ceiling=CEILING, seconds=60, threads=1, rest_every=0.5, rest=1.0)
        )
        together = time.monotonic() + 2
        time.sleep(57)
        parted = time.monotonic()
        one.process.kill()
        time.sleep(17)
        alone = time.monotonic()
        third = start("third", 18)
        time.sleep(3)
        sandbox.add_fault("*", _TOO_MANY, times=1, retry_after=pause)
        third.read()
        ended = time.monotonic()
        other.process.kill()
        small.read()
        log = list(sandbox.log)
    shares = [_rate(log, together, parted, name) for name in ("one", "other")]
    told = next(entry.finished for entry in log if entry.fault)
    # Within a fifth of a second the answer has arrived and is known to all.
    during = sum(told + 0.2 < entry.received < told + pause - 0.05 for entry in log)
    afterwards = {entry.query[NAME] for entry in log if told + pause <= entry.received < ended}
    return [
        Figure(name="used together", value=_rate(log, together, parted) / CEILING, at_least=SHARE_USED, digits=3),
        Figure(name="fairness of the two (Jain)", value=_jain(shares), at_least=JAIN, digits=3),
        Figure(
            name="longest wait of the small one",
            value=small.longest_wait,
            at_most=SMALL_WAIT_SECONDS,
            unit="s",
        ),
        Figure(
            name="used after one was killed",
            value=_rate(log, parted + 2, alone) / CEILING,
            at_least=SHARE_USED,
            digits=3,
        ),
        Figure(name="sent during a pause", value=during, at_most=0, digits=0),
        Figure(name="processes that went on after it", value=len(afterwards), at_least=2, digits=0),
        Figure(name="most in any 60 s", value=sandbox.max_requests_within(60), at_most=LIMIT, digits=0),
        Figure(name="most in flight", value=sandbox.max_in_flight, at_most=IN_FLIGHT, digits=0),
        Figure(name="rejected (429)", value=sandbox.rejection_count, at_most=REJECTED, digits=0),
    ]


@contextmanager
def _paces() -> Generator[Callable[[str], str]]:
    """Give what makes the URL of a pace from its name, in a directory that lasts as long as the block."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        yield lambda name: f"sqlite:///{scratch}/{name}.db"


def _rate(log: Sequence[LogEntry], began: float, ended: float, name: str | None = None) -> float:
    """Give the requests per second received between two instants, of one asker or of all."""
    received = [entry for entry in list(log) if began <= entry.received < ended]
    return sum(name in {None, entry.query.get(NAME)} for entry in received) / (ended - began)


def _jain(shares: Sequence[float]) -> float:
    """1 if all are equal, 1/n if one has all."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


PARTS: Final = {
    part.__name__: Part((part.__doc__ or "").splitlines()[0], part)
    for part in (saturation, rejections, recovery, processes)
}

if __name__ == "__main__":
    sys.exit(main("benchmarks.rate", __doc__, PARTS))
