"""Where a command spends its CPU time: runs `asana-assets` and looks at every thread's stack, again and again.

At each look, the CPU time that the kernel has counted for a thread since the last one goes to the function it is in.
So a thread that waits costs nothing, and C code that lets go of the interpreter's lock is counted like any other. The
looks cost some percent themselves. Linux only.
"""

import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Self

_EVERY_SECONDS = 0.01
_TOP = 40
_OURS = "asana_assets/"


class Sampler:
    """CPU seconds by thread, by innermost line, and by each function of ours on the stack."""

    def __init__(self) -> None:
        self.threads: defaultdict[str, float] = defaultdict(float)
        self.innermost: defaultdict[str, float] = defaultdict(float)
        self.on_stack: defaultdict[str, float] = defaultdict(float)
        self._spent: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # documented
            for thread in threading.enumerate():
                frame = frames.get(thread.ident or 0)
                if frame is not None and thread.native_id is not None and thread is not self._thread:
                    self._look(thread.name.rstrip("0123456789_-"), frame, self._seconds(thread.native_id))

    def _seconds(self, native_id: int) -> float:
        """Give the CPU seconds of a thread since this was last asked."""
        try:
            spent = int(Path(f"/proc/self/task/{native_id}/schedstat").read_text("ascii").split()[0])
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            return 0.0
        before, self._spent[native_id] = self._spent.get(native_id, 0), spent
        return (spent - before) / 1e9

    def _look(self, thread: str, frame: FrameType, seconds: float) -> None:
        if not seconds:
            return
        self.threads[thread] += seconds
        self.innermost[f"{_name(frame)}:{frame.f_lineno}"] += seconds
        functions: set[str] = set()
        at: FrameType | None = frame
        while at is not None:
            if _OURS in at.f_code.co_filename:
                functions.add(_name(at))
            at = at.f_back
        for function in functions:
            self.on_stack[function] += seconds

    def describe(self, cpu_seconds: float) -> str:
        counted = sum(self.threads.values())
        lines = [f"{cpu_seconds:.1f} CPU seconds, of which {counted:.1f} in Python's threads"]
        for title, found in (
            ("by thread", self.threads),
            ("by function of ours, with what it calls", self.on_stack),
            ("by innermost line", self.innermost),
        ):
            most = sorted(found.items(), key=lambda item: -item[1])[:_TOP]
            lines += ["", f"-- {title}", *(f"{seconds:7.2f} s  {name}" for name, seconds in most)]
        return "\n".join(lines)


def _name(frame: FrameType) -> str:
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])} {frame.f_code.co_qualname}"


def main() -> None:
    """Run `asana-assets` with the arguments given; write what was seen to standard error."""
    from asana_assets import __main__ as command  # noqa: PLC0415 # its import is no part of the sync

    began = time.process_time()
    with Sampler() as sampler:
        try:
            command.main(standalone_mode=False)
        finally:
            print(sampler.describe(time.process_time() - began), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
