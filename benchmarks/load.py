"""A load generator for `rate`: a process that requests `/users/me` as often as its throttle allows.

It uses the project's own client, throttle and pacer. A query parameter that Asana, and therefore the sandbox, ignores
identifies the process in the server's log. The process prints one JSON object per line: the throttle's rate four times
a second, and the longest wait at its end.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, cast

from asana_assets.asana.client import ApiRequest, Client, RequestStats
from asana_assets.asana.database_pacer import DatabasePacer
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.sandbox import Sandbox

NAME_PARAMETER = "load"
"""The query parameter with the name of the load."""

_SAMPLE_SECONDS = 0.25
_POLL_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class Load:
    """A load that is running or has ended.

    Attributes:
        output: What the process prints.
        rates: The throttle's rate over time, available after `finish`. Times are on the monotonic clock, which
            processes share.
        longest_wait_seconds: The longest time that a request waited for the throttle, available after `finish`.
    """

    name: str
    process: "subprocess.Popen[str]"
    output: IO[str]
    rates: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    longest_wait_seconds: float = 0.0

    def finish(self) -> None:
        """Wait until the process has ended, and parse its output."""
        self.process.wait()
        self.output.seek(0)
        for line in self.output:
            event = cast("dict[str, Any]", json.loads(line))
            if "rate" in event:
                self.rates.append((event["at"], event["rate"]))
            else:
                self.longest_wait_seconds = event["longest_wait_seconds"]


@contextmanager
def loading(
    sandbox: Sandbox,
    pacer_url: str,
    *,
    name: str,
    ceiling: float,
    seconds: float,
    threads: int = 40,
    active_seconds: float = 0,
    idle_seconds: float = 0,
) -> Generator[Load]:
    """Run a load in another process; yield once the sandbox has received its first request.

    Args:
        sandbox: The server.
        pacer_url: Database of the shared pacer.
        name: Identifies the load in the sandbox's log.
        ceiling: Maximum requests per second.
        seconds: Duration of the load.
        threads: Maximum concurrent requests.
        active_seconds: Duration of each active period, if `idle_seconds` is not 0.
        idle_seconds: Duration of the idle period after each active one; 0 for none.

    Raises:
        RuntimeError: The process exited before its first request.
    """
    command = [sys.executable, "-m", "benchmarks.load", sandbox.url, sandbox.token, pacer_url]
    command += [f"--{option}={value}" for option, value in (("name", name), ("ceiling", ceiling))]
    command += [f"--{option}={value}" for option, value in (("seconds", seconds), ("threads", threads))]
    command += [f"--active-seconds={active_seconds}", f"--idle-seconds={idle_seconds}"]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, text=True)  # noqa: S603 - our own module
        load = Load(name=name, process=process, output=output)
        try:
            while not any(entry.query.get(NAME_PARAMETER) == name for entry in list(sandbox.log)):
                if process.poll() is not None:
                    raise RuntimeError(f"the load {name} exited before its first request")
                time.sleep(_POLL_SECONDS)
            yield load
            load.finish()
        finally:
            process.kill()
            process.wait()


@dataclass(slots=True)
class _Requester:
    client: Client
    name: str
    until: float
    active_seconds: float
    idle_seconds: float
    longest_wait_seconds: float = 0.0

    def run(self, _: int) -> None:
        """Send requests until `until`, in one of several threads."""
        request = ApiRequest(template="/users/me", params={NAME_PARAMETER: self.name})
        never = threading.Event()
        started_at = time.monotonic()
        period = self.active_seconds + self.idle_seconds
        while (now := time.monotonic()) < self.until:
            if self.idle_seconds and (now - started_at) % period > self.active_seconds:
                time.sleep(_POLL_SECONDS)
                continue
            stats = RequestStats()
            self.client.get_record(request, opt_fields="name", stats=stats, stop=never)
            self.longest_wait_seconds = max(self.longest_wait_seconds, stats.throttle_wait_seconds)


def main() -> None:
    """Run the load until its duration has passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("url", help="Asana's base URL.")
    parser.add_argument("token", help="Access token.")
    parser.add_argument("pacer_url", help="Database URL of the shared pacer.")
    parser.add_argument("--name", required=True, help="Name of the load, sent with every request.")
    parser.add_argument("--ceiling", type=float, required=True, help="Maximum requests per second.")
    parser.add_argument("--seconds", type=float, required=True, help="Duration of the load.")
    parser.add_argument("--threads", type=int, required=True, help="Maximum concurrent requests.")
    parser.add_argument("--active-seconds", type=float, required=True, help="Duration of each active period.")
    parser.add_argument(
        "--idle-seconds", type=float, required=True, help="Duration of the idle period after each active one; 0: none."
    )
    options = parser.parse_args()
    throttle = Throttle(ceiling=options.ceiling, pacer=DatabasePacer(options.pacer_url, options.token))
    transport = Transport(base_url=options.url, token=options.token)
    with Client(transport=transport, throttle=throttle) as client:
        until = time.monotonic() + options.seconds
        requester = _Requester(client, options.name, until, options.active_seconds, options.idle_seconds)
        with ThreadPoolExecutor(options.threads) as pool:
            results = pool.map(requester.run, range(options.threads))
            while (now := time.monotonic()) < until:
                print(json.dumps({"at": now, "rate": throttle.rate}), flush=True)  # noqa: T201 - parsed by `Load`
                time.sleep(_SAMPLE_SECONDS)
            list(results)
    print(json.dumps({"longest_wait_seconds": requester.longest_wait_seconds}))  # noqa: T201 - parsed by `Load`


if __name__ == "__main__":
    main()
