"""Table properties that keep commits fast over years, for new tables and for those that were created without them."""

import logging

from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Table

from asana_assets.lake.error_translation import translate_errors
from asana_assets.lake.errors import LakeError

_log = logging.getLogger(__name__)

TABLE_PROPERTIES = {
    "write.parquet.compression-codec": "zstd",
    # Commits to different workspaces compete for the table's one head. With PyIceberg's 4 retries, 1 in 20 failed.
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "50",
    "commit.retry.max-wait-ms": "2000",
    # A commit's cost grows with the metadata it reads: keep 10 old metadata files and few manifests.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "20",
}
"""The properties of a new table; values that were changed since are never overwritten."""


def add_missing_properties(table: Table) -> None:
    """Set the properties that an existing table lacks, in one commit; commit nothing if it lacks none.

    A table works without them, so if the catalog refuses the change, or another run makes it first, only log it.
    """
    missing = {name: value for name, value in TABLE_PROPERTIES.items() if name not in table.properties}
    if not missing:
        return
    try:
        with translate_errors(table):
            table.transaction().set_properties(missing).commit_transaction()
    except (CommitFailedException, CommitStateUnknownException, LakeError) as error:
        _log.warning(
            "The properties of table %s could not be set, so that its metadata may grow; its rows are not affected: %s",
            ".".join(table.name()),
            error,
        )
