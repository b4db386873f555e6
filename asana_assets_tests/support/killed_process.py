"""`asana-assets sync` and then `maintain`, in a process that kills itself: `killed_process.py MOMENT`.

A moment is before or after an operation on the storage or the catalog, and given by its number or as it is described.
The process prints a description of it and kills itself. If it is not reached, as the number 0 is not, the process
prints the number of moments instead. Data files are so small that they are merged,
and snapshots and unreferenced files are removed at once.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pydoc import locate
from threading import Lock
from typing import Any

import pytest

from asana_assets.cli.main import main

_NOTHING = timedelta(0)
_OPERATIONS = {
    "write": "pyiceberg.io.pyarrow.PyArrowFile.create",
    "delete": "pyiceberg.io.pyarrow.PyArrowFileIO.delete",
    "remove": "asana_assets.lake.unreferenced_files._Storage._delete",
    "commit": "pyiceberg.catalog.sql.SqlCatalog.commit_table",
}


class Killer:
    """Counts moments, and kills this process at one of them."""

    def __init__(self, moment: str) -> None:
        self.count = 0
        self._moment = moment
        self._lock = Lock()

    def watch(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method `operation` with a moment before and one after it."""

        def watched(*arguments: Any, **named: Any) -> Any:
            what = f"{name} of {arguments[1].name()[-1]}" if name == "commit" else name
            self._pass(f"before {what}")
            result = operation(*arguments, **named)
            self._pass(f"after {what}")
            return result

        return watched

    def _pass(self, description: str) -> None:
        with self._lock:
            self.count += 1
            if self._moment in {str(self.count), description}:
                print(description, flush=True)  # noqa: T201 - read by the parent process
                os.kill(os.getpid(), signal.SIGKILL)


def run(moment: str) -> int:
    """Sync and maintain; return the number of moments."""
    killer = Killer(moment)
    with pytest.MonkeyPatch.context() as patch:
        _make_impatient(patch)
        for name, path in _OPERATIONS.items():
            patch.setattr(path, killer.watch(name, locate(path)))  # pyright: ignore[reportArgumentType] - a method
        try:
            main(["sync", "--quiet", "--checkpoint-rows", "25"], standalone_mode=False)
        except SystemExit as end:
            if end.code:
                raise
        main(["maintain", "--older-than", "0"], standalone_mode=False)
    return killer.count


def _make_impatient(patch: pytest.MonkeyPatch) -> None:
    """Let files be merged and snapshots expire whose number and age in production no test reaches."""
    from asana_assets.lake import difference, lake, merging  # noqa: PLC0415 - imports PyIceberg

    patch.setattr(merging, "MIN_FILES_TO_MERGE", 2)
    patch.setattr(lake, "_MAX_SNAPSHOTS", 3)
    patch.setattr(lake, "_KEEP_SNAPSHOTS", _NOTHING)
    patch.setattr("asana_assets.sync.sync_state_store._KEEP_SNAPSHOTS", _NOTHING)
    for function, name, value in [
        (lake.Lake.expire_old_snapshots, "keep", _NOTHING),
        (difference.write_rows, "rows_per_file", 20),
        (merging.merge_small_files, "rows_per_file", 20),
    ]:
        patch.setitem(function.__kwdefaults__ or {}, name, value)


if __name__ == "__main__":
    print(run(sys.argv[1]))  # noqa: T201 - read by the parent process
