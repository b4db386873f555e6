"""A process that writes and maintains a table until it is killed: `maintenance_process.py DATA_DIR ROUNDS SEED`.

It prints a line once everything is imported. With a last round of seed 0, the rows are those of `final_rows`.
"""

import sys
from datetime import timedelta
from pathlib import Path

from asana_assets.lake.lake import Lake
from asana_assets.lake.maintenance import expire_snapshots
from asana_assets_tests.support.lake_tables import Row, append, batch, row, tasks

_NOTHING = timedelta(seconds=-5)  # a cutoff in the future: nothing is kept


def final_rows(seed: int) -> list[Row]:
    return [row(number, name=f"{seed} {number % 3}") for number in range(seed % 5 + 20)]


def run_round(lake: Lake, seed: int) -> None:
    """Add small files, replace the rows, then merge, expire and remove everything that can be."""
    for number in range(8):
        append(lake.catalog, "w", 1000 + seed * 100 + number)
    list(lake.maintain(remove_older_than=_NOTHING))
    lake.replace_partition(tasks(lake.catalog), "w", batch(final_rows(seed)).to_batches(), sort_by=["gid"])
    expire_snapshots(tasks(lake.catalog), keep=_NOTHING)
    list(lake.maintain(remove_older_than=_NOTHING))


def main(data_dir: str, rounds: str, seed: str) -> None:
    lake = Lake(data_dir=Path(data_dir), namespace="asana")
    tasks(lake.catalog)
    print("ready", flush=True)  # noqa: T201 - read by the parent process
    for number in range(int(rounds)):
        run_round(lake, int(seed) + number)
    lake.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
