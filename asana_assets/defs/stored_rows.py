"""The rows that the last sync stored, as extracts see them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from asana_assets.asana.model import Endpoint
from asana_assets.lake.lake import Lake

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class IcebergStoredRows:
    """A workspace's rows as stored when this was created; implements `sync.full_extract.StoredRows`.

    Attributes:
        lake: The lake that `table` belongs to.
        endpoint: The endpoint whose table this is.
        table: The table as loaded, None if it does not exist yet.
        workspace_gid: The workspace; "" for all rows of a table without workspaces.
    """

    lake: Lake
    endpoint: Endpoint
    table: "Table | None"
    workspace_gid: str

    @property
    def names(self) -> set[str]:
        """The table's columns."""
        return set(self.endpoint.schema.names if self.table is None else self.lake.column_names(self.table))

    def __len__(self) -> int:
        return 0 if self.table is None else self.lake.count(self.table, workspace=self.workspace_gid or None)

    def count_values(self) -> dict[str, int]:
        return {} if self.table is None else self.lake.count_values(self.table, workspace=self.workspace_gid or None)

    def columns(self, names: Sequence[str]) -> pa.Table:
        if self.table is None:
            return self.endpoint.schema.empty_table().select(list(names))
        return self.lake.scan(self.table, workspace=self.workspace_gid or None, columns=names)

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        if self.table is None:
            return iter(())
        return self.lake.scan_batches(self.table, workspace=self.workspace_gid or None, columns=names)
