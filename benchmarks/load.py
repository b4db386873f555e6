"""A process that asks Asana for one cheap thing, as often as it may: what `rate` measures with.

It sends through the project's own client, throttle and pace; who asked is in each request's query, which Asana, and so
the sandbox, ignores. One JSON object to a line of standard output: the rate as it changes, and how it went at the end.
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

NAME = "asker"
"""The query parameter that says who asks."""

_SAMPLE_SECONDS = 0.25


@dataclass(slots=True, kw_only=True)
class Load:
    """A load that runs, or has run. Instants are of the monotonic clock, which processes share."""

    name: str
    process: "subprocess.Popen[str]"
    output: IO[str]
    rates: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    longest_wait: float = 0.0

    def read(self) -> None:
        """Wait for its end, and read what it said."""
        self.process.wait()
        self.output.seek(0)
        for line in self.output:
            said = cast("dict[str, Any]", json.loads(line))
            if "rate" in said:
                self.rates.append((said["at"], said["rate"]))
            else:
                self.longest_wait = said["longest_wait"]


@contextmanager
def loading(
    sandbox: Sandbox,
    pace: str,
    *,
    name: str,
    ceiling: float,
    seconds: float,
    threads: int = 40,
    rest_every: float = 0,
    rest: float = 0,
) -> Generator[Load]:
    """Start a load that asks for so many seconds, and is on its way when this returns; at the end, see it ended."""
    command = [sys.executable, "-m", "benchmarks.load", sandbox.url, sandbox.token, pace]
    command += [f"--{option}={value}" for option, value in (("name", name), ("ceiling", ceiling))]
    command += [f"--{option}={value}" for option, value in (("seconds", seconds), ("threads", threads))]
    command += [f"--rest-every={rest_every}", f"--rest={rest}"]
    with tempfile.TemporaryFile("w+") as output:
        load = Load(name=name, process=subprocess.Popen(command, stdout=output, text=True), output=output)  # noqa: S603 # ours
        try:
            while not any(entry.query.get(NAME) == name for entry in list(sandbox.log)):
                if load.process.poll() is not None:
                    raise RuntimeError(f"the load {name} did not start")
                time.sleep(0.05)
            yield load
            load.read()
        finally:
            load.process.kill()
            load.process.wait()


@dataclass(slots=True)
class _Asker:
    client: Client
    name: str
    until: float
    rest_every: float
    rest: float
    longest_wait: float = 0.0

    def ask(self, _: int) -> None:
        request = ApiRequest(template="/users/me", params={NAME: self.name})
        never = threading.Event()
        began = time.monotonic()
        while (now := time.monotonic()) < self.until:
            if self.rest and (now - began) % (self.rest_every + self.rest) > self.rest_every:
                time.sleep(0.05)
                continue
            usage = RequestStats()
            self.client.get_record(request, opt_fields="name", stats=usage, stop=never)
            self.longest_wait = max(self.longest_wait, usage.throttle_wait_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("pace", help="URL of the shared pace")
    parser.add_argument("--name", required=True)
    parser.add_argument("--ceiling", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rest-every", type=float, required=True, help="ask so many seconds, then")
    parser.add_argument("--rest", type=float, required=True, help="ask nothing for so many")
    given = parser.parse_args()
    throttle = Throttle(ceiling=given.ceiling, pacer=DatabasePacer(given.pace, given.token))
    with Client(transport=Transport(base_url=given.url, token=given.token), throttle=throttle) as client:
        asker = _Asker(client, given.name, time.monotonic() + given.seconds, given.rest_every, given.rest)
        with ThreadPoolExecutor(given.threads) as pool:
            asking = pool.map(asker.ask, range(given.threads))
            while (now := time.monotonic()) < asker.until:
                print(json.dumps({"at": now, "rate": throttle.rate}), flush=True)  # noqa: T201 # to `Load`
                time.sleep(_SAMPLE_SECONDS)
            list(asking)
    print(json.dumps({"longest_wait": asker.longest_wait}))  # noqa: T201 # to `Load`


if __name__ == "__main__":
    main()
