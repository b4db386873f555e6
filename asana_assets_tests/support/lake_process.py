"""A process of its own that commits: `lake_process.py DATA_DIR WORKSPACE COMMITS ROWS`.

Prints the number of commits that did not meet a conflict.
"""

import sys
from pathlib import Path

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.errors import ConflictError
from asana_assets_tests.support.lake_tables import replace, row, tasks


def main(data_dir: str, workspace: str, commits: str, rows: str) -> None:
    catalog = open_catalog(data_dir=Path(data_dir))
    table = tasks(catalog)
    done = 0
    for _ in range(int(commits)):
        try:
            replace(table, workspace, [row(number) for number in range(int(rows))])
        except ConflictError:
            continue
        done += 1
    print(done)  # noqa: T201 - the answer to the process that started this one
    catalog.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
