"""`python -m asana_assets.sandbox`: serve, or run a command against a sandbox that lives as long as the command."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from asana_assets.sandbox.context import Sandbox
from asana_assets.sandbox.fields import ENDPOINTS
from asana_assets.sandbox.scenario import SCALES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_PACE = 0.99  # of the limit: a client at the limit itself would be refused now and then


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: the command's, if there is one."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command: list[str] = []
    if "--" in given:
        cut = given.index("--")
        given, command = given[:cut], given[cut + 1 :]
    options = _parser().parse_args(given)
    sandbox = Sandbox(
        options.scale,
        options.seed,
        latency=options.latency,
        jitter=options.latency / 2,
        requests_per_minute=options.requests_per_minute or None,
        port=options.port,
    )
    with sandbox:
        code = _run(sandbox, command, options.requests_per_minute) if command else _serve(sandbox)
        if options.truth:
            print(describe_truth(sandbox))  # noqa: T201
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m asana_assets.sandbox",
        description="A small Asana on this host. With a COMMAND it lives as long as the command.",
        epilog="-- COMMAND …: run with ASANA_BASE_URL and ASANA_ACCESS_TOKEN set.",
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--scale", choices=sorted(SCALES), default="demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds, ± half of it (default: 0.05)")
    parser.add_argument("--requests-per-minute", type=int, default=1500, help="0: no limit (default: 1500)")
    parser.add_argument("--truth", action="store_true", help="print at the end what a complete sync holds and costs")
    return parser


def _serve(sandbox: Sandbox) -> int:
    """Until interrupted or terminated."""
    stop = threading.Event()
    with _on_signals(interrupt=stop.set, terminate=stop.set):
        print(f"Asana sandbox: {sandbox.url}\nToken: {sandbox.token}\nStop it with Ctrl-C.", flush=True)  # noqa: T201
        stop.wait()
    return 0


def _run(sandbox: Sandbox, command: list[str], requests_per_minute: int) -> int:
    """Run the command. Ctrl-C reaches it by the terminal or else through here; it decides when to end."""
    environment = {**os.environ, "ASANA_BASE_URL": sandbox.url, "ASANA_ACCESS_TOKEN": sandbox.token}
    if requests_per_minute:
        environment.setdefault("ASANA_REQUESTS_PER_SECOND", f"{requests_per_minute / 60 * _PACE:g}")
    try:
        running = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
    except OSError as error:
        print(f"Cannot run {command[0]}: {error.strerror}.", file=sys.stderr)  # noqa: T201
        return 127

    def interrupt() -> None:
        if not any(os.isatty(descriptor) for descriptor in (0, 1, 2)):
            running.send_signal(signal.SIGINT)

    with _on_signals(interrupt=interrupt, terminate=running.terminate):
        code = running.wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _on_signals(*, interrupt: Callable[[], None], terminate: Callable[[], None]) -> Generator[None]:
    before = [
        (number, signal.signal(number, lambda *_, call=call: call()))
        for number, call in ((signal.SIGINT, interrupt), (signal.SIGTERM, terminate))
    ]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def describe_truth(sandbox: Sandbox) -> str:
    """A table: rows by endpoint and workspace, and the fewest requests that find them."""
    workspaces = sandbox.organization.workspaces()
    costs = {one.gid: sandbox.minimal_requests(one.gid) for one in workspaces}
    names = [one.text("name") for one in workspaces]
    widths = [max(len(name), 8) for name in names]
    lines = [("Rows of a complete sync", names)]
    lines += [(name, [str(len(sandbox.truth(name, one.gid))) for one in workspaces]) for name in ENDPOINTS]
    lines.append(("fewest requests", [str(sum(costs[one.gid].values())) for one in workspaces]))
    table = [
        f"{title:24}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for title, cells in lines
    ]
    total = 1 + sum(sum(cost.values()) for cost in costs.values())
    return "\n".join([*table, f"Fewest requests in all, with one for workspaces: {total}"])


if __name__ == "__main__":
    sys.exit(main())
