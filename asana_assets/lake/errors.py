"""Errors of the lake, named by what the operator should do.

    LakeError
    ├── CatalogUnavailableError   check the setting that the message names
    │   └── CatalogRefusedError   the request was rejected and had no effect; same remedy
    ├── LostFileError             a data file is missing: run a full refresh, which fetches its rows again
    ├── OtherIntegrationError     the namespace belongs to another integration: use another one
    ├── SchemaError               the columns do not fit the table: change the code, or the table by hand
    ├── ConflictError             two runs wrote one workspace at once: run again; nothing is lost or duplicated
    └── CommitUnknownError        the catalog did not report whether it applied a commit: check, then run again

Messages never contain secrets: text from a URI or from a catalog's response passes through `redacted` first.
"""


class LakeError(Exception):
    """Base class; the message is one sentence for the operator."""


class CatalogUnavailableError(LakeError):
    """The catalog or its storage cannot be used; the message names the setting to check."""


class CatalogRefusedError(CatalogUnavailableError):
    """The catalog or its storage rejected the request; nothing was changed."""


class LostFileError(LakeError):
    """A data file of the current snapshot is missing from the store; the message names it and the table."""


class OtherIntegrationError(LakeError):
    """The table belongs to another integration, whose rows would be deleted; nothing was changed."""


class SchemaError(LakeError):
    """Columns or values do not fit a table; the message names the table and the column."""


class ConflictError(LakeError):
    """Another writer changed the same workspace's rows first; this commit had no effect."""


class CommitUnknownError(LakeError):
    """The commit may or may not have been applied, so its data files were kept."""
