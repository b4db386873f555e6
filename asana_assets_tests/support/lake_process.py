"""A process that replaces a workspace's rows several times: `lake_process.py DATA_DIR WORKSPACE COMMITS ROWS`.

It prints the number of commits that succeeded without a conflict.
"""

import sys
from pathlib import Path

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.errors import ConflictError
from asana_assets_tests.support.lake_tables import replace, row, tasks


def main(data_dir: str, workspace: str, commits: str, rows: str) -> None:
    catalog = open_catalog(data_dir=Path(data_dir))
    table = tasks(catalog)
    committed = 0
    for _ in range(int(commits)):
        try:
            replace(table, workspace, [row(number) for number in range(int(rows))])
        except ConflictError:
            continue
        committed += 1
    print(committed)  # noqa: T201 - the result, for the parent process
    catalog.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
