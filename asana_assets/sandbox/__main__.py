"""`python -m asana_assets.sandbox`: run the sandbox until interrupted, or for the duration of a command."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING

from asana_assets.sandbox.api.fields import STANDARD
from asana_assets.sandbox.api.misbehaviors import MISBEHAVIORS
from asana_assets.sandbox.context import Sandbox
from asana_assets.sandbox.data.scale import SCALES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_HELP_WIDTH = 100  # characters
_NAME_WIDTH = 24
_SHARE_OF_LIMIT = 0.99  # a client exactly at the limit would occasionally be rejected


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: that of the command, if there is one."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command: list[str] = []
    if "--" in given:
        separator = given.index("--")
        given, command = given[:separator], given[separator + 1 :]
    options = _parser().parse_args(given)
    sandbox = Sandbox(
        options.scale,
        options.seed,
        latency=options.latency,
        jitter=options.latency / 2,
        requests_per_minute=options.requests_per_minute or None,
        port=options.port,
        misbehavior=options.misbehave,
    )
    with sandbox:
        code = _run(sandbox, command, options.requests_per_minute) if command else _serve(sandbox)
        if options.truth:
            print(describe_truth(sandbox))  # noqa: T201 - the command's output
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m asana_assets.sandbox",
        usage="%(prog)s [OPTIONS] [-- COMMAND ...]",
        description=_wrap(
            "Simulate Asana's API on a local port, with generated data, until interrupted. With a COMMAND, run it "
            "against the simulation and exit with its exit code."
        ),
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="Port to listen on. Default: a free port.")
    parser.add_argument(
        "--scale",
        choices=sorted(SCALES),
        default="demo",
        help="How much data to generate. Default: %(default)s.",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="The same seed and scale always generate the same data. Default: %(default)s.",
    )
    parser.add_argument(
        "--latency",
        type=float,
        default=0.05,
        help="Mean time before a response in seconds; each varies by up to 50 %%. Default: %(default)s.",
    )
    parser.add_argument(
        "--requests-per-minute",
        type=int,
        default=1500,
        help="Rate limit; 0 disables it. Default: %(default)s, the limit of a paid plan.",
    )
    parser.add_argument(
        "--misbehave",
        action="append",
        choices=MISBEHAVIORS,
        default=[],
        metavar="NAME",
        help="Misbehave as a real server once did; see the names below. Can be repeated.",
    )
    parser.add_argument(
        "--truth",
        action="store_true",
        help="At the end, print how many rows a complete sync contains and how many requests it takes at least.",
    )
    return parser


def _epilog() -> str:
    """Return what the help text says after the options: about COMMAND, and about the names of misbehavior."""
    about_command = (
        "COMMAND runs with ASANA_BASE_URL and ASANA_ACCESS_TOKEN set to the simulation. If there is a rate limit and "
        "ASANA_REQUESTS_PER_SECOND is not set, it is set to 99 % of the limit."
    )
    about_names = (
        "Names for --misbehave. Only responses are wrong; --truth prints what a correct sync contains. A first sync is "
        "not affected by what happens once or to fields: it starts with the second fetch of each listing."
    )
    indent = " " * _NAME_WIDTH
    descriptions = [
        _wrap(f"  {name:{_NAME_WIDTH - 2}}{behavior.description}", subsequent_indent=indent)
        for name, behavior in MISBEHAVIORS.items()
    ]
    return "\n".join([_wrap(about_command), "", _wrap(about_names), *descriptions])


def _wrap(text: str, subsequent_indent: str = "") -> str:
    return textwrap.fill(text, _HELP_WIDTH, subsequent_indent=subsequent_indent)


def _serve(sandbox: Sandbox) -> int:
    """Serve until SIGINT or SIGTERM."""
    stop = threading.Event()
    with _on_signals(interrupt=stop.set, terminate=stop.set):
        print(f"Asana sandbox: {sandbox.url}\nToken: {sandbox.token}\nPress Ctrl-C to stop it.", flush=True)  # noqa: T201 - the command's output
        stop.wait()
    return 0


def _run(sandbox: Sandbox, command: list[str], requests_per_minute: int) -> int:
    """Run the command and return its exit code. The command handles Ctrl-C itself."""
    environment = {**os.environ, "ASANA_BASE_URL": sandbox.url, "ASANA_ACCESS_TOKEN": sandbox.token}
    if requests_per_minute:
        environment.setdefault("ASANA_REQUESTS_PER_SECOND", f"{requests_per_minute / 60 * _SHARE_OF_LIMIT:g}")
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
    except OSError as error:
        print(f"Cannot run {command[0]}: {error.strerror}.", file=sys.stderr)  # noqa: T201 - the command's output
        return 127

    def interrupt() -> None:
        # A terminal sends SIGINT to the command as well.
        if not any(os.isatty(descriptor) for descriptor in (0, 1, 2)):
            process.send_signal(signal.SIGINT)

    with _on_signals(interrupt=interrupt, terminate=process.terminate):
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _on_signals(*, interrupt: Callable[[], None], terminate: Callable[[], None]) -> Generator[None]:
    """Call `interrupt` on SIGINT and `terminate` on SIGTERM instead of the previous handlers."""
    previous = [
        (number, signal.signal(number, lambda *_, call=call: call()))
        for number, call in ((signal.SIGINT, interrupt), (signal.SIGTERM, terminate))
    ]
    try:
        yield
    finally:
        for number, handler in previous:
            signal.signal(number, handler)


def describe_truth(sandbox: Sandbox) -> str:
    """Return a table of the rows of a complete sync by endpoint and workspace, and the requests it takes at least."""
    workspaces = sandbox.organization.workspaces()
    requests = {workspace.gid: sandbox.minimal_requests(workspace.gid) for workspace in workspaces}
    names = [workspace.text("name") for workspace in workspaces]
    widths = [max(len(name), 8) for name in names]
    lines = [("Rows of a complete sync", names)]
    lines += [(name, [str(len(sandbox.truth(name, one.gid))) for one in workspaces]) for name in STANDARD]
    lines.append(("minimum requests", [str(sum(requests[one.gid].values())) for one in workspaces]))
    table = [
        f"{title:24}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for title, cells in lines
    ]
    total = 1 + sum(sum(by_endpoint.values()) for by_endpoint in requests.values())
    return "\n".join([*table, f"A complete sync takes at least {total} requests, including one for workspaces."])


if __name__ == "__main__":
    sys.exit(main())
