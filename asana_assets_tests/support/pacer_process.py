"""A process that uses a database pacer: `pacer_process URL THREADS COMMAND NUMBER NUMBER`.

It prints "ready", and starts when it reads a line. Each of its threads then runs the command:

- `reserve COUNT INTERVAL` reserves slots without waiting for them.
- `acquire RATE SECONDS` waits for slots at up to `RATE` per second, summed over threads, for this many seconds.

At the end it prints the times of the slots as one JSON list.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from asana_assets.asana.database_pacer import DatabasePacer
from asana_assets.asana.throttle import Throttle

TOKEN = "2/1200/777:0123abcd"


def reserve(pacer: DatabasePacer, count: float, interval_seconds: float) -> list[float]:
    return [time.time() + pacer.reserve(interval_seconds) for _ in range(round(count))]


def acquire(throttle: Throttle, until: float) -> list[float]:
    slots: list[float] = []
    while throttle.acquire(threading.Event()) is not None and time.time() < until:
        slots.append(time.time())
    return slots


def main(url: str, threads: int, command: str, first: float, second: float) -> None:
    pacer = DatabasePacer(url, TOKEN)
    print("ready", flush=True)  # noqa: T201 - read by the parent process
    sys.stdin.readline()
    throttle = Throttle(ceiling=first, pacer=pacer)
    until = time.time() + second
    with ThreadPoolExecutor(threads) as pool:
        results = [
            pool.submit(reserve, pacer, first, second)
            if command == "reserve"
            else pool.submit(acquire, throttle, until)
            for _ in range(threads)
        ]
        print(json.dumps([slot for result in results for slot in result.result()]))  # noqa: T201 - as above
    pacer.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
