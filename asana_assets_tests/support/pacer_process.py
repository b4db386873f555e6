"""A process of its own that uses a pace: `pace_process.py URL THREADS WHAT NUMBER…`.

Prints a line when it could begin, and begins when it is given one. Then, each thread for itself:

- `reserve COUNT STEP` takes so many slots at once, and waits for none.
- `work RATE SECONDS` waits for its turns, at most `RATE` a second in all, for so long.

Prints the instants of what it got, as one JSON list.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from asana_assets.asana.pacer import DatabasePacer
from asana_assets.asana.throttle import Throttle

TOKEN = "2/1200/777:0123abcd"


def reserve(pace: DatabasePacer, count: float, step: float) -> list[float]:
    return [time.time() + pace.reserve(step) for _ in range(round(count))]


def work(throttle: Throttle, until: float) -> list[float]:
    instants: list[float] = []
    while throttle.acquire(threading.Event()) is not None and time.time() < until:
        instants.append(time.time())
    return instants


def main(url: str, threads: int, what: str, first: float, second: float) -> None:
    pace = DatabasePacer(url, TOKEN)
    print("ready", flush=True)  # noqa: T201 # to the process that started this one
    sys.stdin.readline()
    throttle = Throttle(ceiling=first, pacer=pace)
    until = time.time() + second
    with ThreadPoolExecutor(threads) as pool:
        started = [
            pool.submit(reserve, pace, first, second) if what == "reserve" else pool.submit(work, throttle, until)
            for _ in range(threads)
        ]
        print(json.dumps([instant for each in started for instant in each.result()]))  # noqa: T201 # as above
    pace.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
