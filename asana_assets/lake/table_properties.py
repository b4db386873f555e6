"""Table properties that keep commits fast over years, for new tables and for those that were created without them."""

import logging

from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Table

from asana_assets.lake.error_translation import translate_errors
from asana_assets.lake.errors import LakeError, OtherIntegrationError

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

INTEGRATION_PROPERTY = "asana_assets.integration"
"""The property with the name of the integration that a table belongs to; whoever writes a table without it sets it."""


def properties_of(integration: str | None) -> dict[str, str]:
    """Return the properties of a table of this integration."""
    return TABLE_PROPERTIES | ({INTEGRATION_PROPERTY: integration} if integration else {})


def check_integration(table: Table, integration: str | None) -> None:
    """Check that a table belongs to this integration or to none.

    Raises:
        OtherIntegrationError: It belongs to another one.
    """
    owner = table.properties.get(INTEGRATION_PROPERTY)
    if integration and owner and owner != integration:
        namespace = ".".join(table.name()[:-1])
        raise OtherIntegrationError(
            f"Namespace {namespace} belongs to the integration {owner!r}, so {integration!r} must not write its table "
            f"{table.name()[-1]}: give {integration!r} a namespace of its own (ICEBERG_NAMESPACE, or the namespace of "
            f"the LakeResource in lake=), or remove the property {INTEGRATION_PROPERTY} from the tables if {owner!r} "
            "was renamed."
        )


def add_missing_properties(table: Table, integration: str | None = None) -> None:
    """Set the properties that an existing table lacks, in one commit; commit nothing if it lacks none.

    A table works without them, so if the catalog refuses the change, or another run makes it first, only log it.
    """
    missing = {name: value for name, value in properties_of(integration).items() if name not in table.properties}
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
