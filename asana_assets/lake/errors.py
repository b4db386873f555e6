"""What can go wrong in the lake, named by what its reader should do.

    LakeError
    ├── CatalogUnavailableError   check the setting that the sentence names
    │   └── CatalogRefusedError   it said no, so that nothing happened; the same
    ├── SchemaError               the given columns do not fit the table: change the code, or the table, by hand
    ├── ConflictError             two runs wrote one workspace at once: run it again; nothing is lost or doubled
    └── CommitUnknownError        the catalog did not say whether it took the commit: look, then run again

No sentence holds a secret: what comes from a URI or a catalog's answer passes through `redacted` first.
"""


class LakeError(Exception):
    """One clear sentence for the person who runs the sync."""


class CatalogUnavailableError(LakeError):
    """The catalog or its storage cannot be opened; the sentence names the setting."""


class CatalogRefusedError(CatalogUnavailableError):
    """The catalog or its storage answered no, and did nothing."""


class SchemaError(LakeError):
    """A table cannot take these columns; the sentence names the table and the column."""


class ConflictError(LakeError):
    """Another writer changed the same workspace's rows meanwhile; this commit left no trace."""


class CommitUnknownError(LakeError):
    """The commit may or may not have landed, so its data files were kept."""
