"""A sampling profiler: runs `asana-assets` and attributes the CPU time of each thread to the functions on its stack.

At each sample, the CPU time that the kernel has counted for a thread since the previous sample is attributed to the
function that the thread is in. A waiting thread therefore costs nothing, and C code that releases the interpreter's
lock is counted like any other. Sampling itself costs some percent. Linux only.
"""

import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Self

_INTERVAL_SECONDS = 0.01
_TOP = 40
_OUR_PACKAGE = "asana_assets/"


class Sampler:
    """Samples all threads while in a `with` block.

    Attributes:
        threads: CPU seconds by thread name, without its number.
        innermost: CPU seconds by innermost line.
        on_stack: CPU seconds by function of this project, including what it calls.
    """

    def __init__(self) -> None:
        self.threads: defaultdict[str, float] = defaultdict(float)
        self.innermost: defaultdict[str, float] = defaultdict(float)
        self.on_stack: defaultdict[str, float] = defaultdict(float)
        self._cpu_nanoseconds: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - documented by CPython
            for thread in threading.enumerate():
                frame = frames.get(thread.ident or 0)
                if frame is not None and thread.native_id is not None and thread is not self._thread:
                    seconds = self._cpu_seconds_since_last(thread.native_id)
                    self._attribute(thread.name.rstrip("0123456789_-"), frame, seconds)

    def _cpu_seconds_since_last(self, native_id: int) -> float:
        """Return the CPU seconds of a thread since the previous call."""
        try:
            used = int(Path(f"/proc/self/task/{native_id}/schedstat").read_text("ascii").split()[0])
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended
            return 0.0
        previous, self._cpu_nanoseconds[native_id] = self._cpu_nanoseconds.get(native_id, 0), used
        return (used - previous) / 1e9

    def _attribute(self, thread: str, frame: FrameType, seconds: float) -> None:
        if not seconds:
            return
        self.threads[thread] += seconds
        self.innermost[f"{_function_name(frame)}:{frame.f_lineno}"] += seconds
        functions: set[str] = set()
        current: FrameType | None = frame
        while current is not None:
            if _OUR_PACKAGE in current.f_code.co_filename:
                functions.add(_function_name(current))
            current = current.f_back
        for function in functions:
            self.on_stack[function] += seconds

    def describe(self, cpu_seconds: float) -> str:
        """Return the profile as text; `cpu_seconds` is the total of the process."""
        attributed = sum(self.threads.values())
        lines = [f"{cpu_seconds:.1f} CPU seconds, {attributed:.1f} of them in Python threads"]
        for title, seconds_by_name in (
            ("by thread", self.threads),
            ("by function of asana_assets, including what it calls", self.on_stack),
            ("by innermost line", self.innermost),
        ):
            top = sorted(seconds_by_name.items(), key=lambda item: -item[1])[:_TOP]
            lines += ["", f"-- {title}", *(f"{seconds:7.2f} s  {name}" for name, seconds in top)]
        return "\n".join(lines)


def _function_name(frame: FrameType) -> str:
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])} {frame.f_code.co_qualname}"


def main() -> None:
    """Run `asana-assets` with the given arguments and print the profile to standard error."""
    from asana_assets import __main__ as command  # noqa: PLC0415 - its import is not part of the sync

    started_at = time.process_time()
    with Sampler() as sampler:
        try:
            command.main(standalone_mode=False)
        finally:
            print(sampler.describe(time.process_time() - started_at), file=sys.stderr)  # noqa: T201 - the output


if __name__ == "__main__":
    main()
