"""The names of parents that could not be fetched, from the stored tables: what a user recognizes, unlike a gid."""

import re
from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.column_choice import ColumnChoice
from asana_assets.asana.model import GID, Endpoint
from asana_assets.defs.resources import LakeResource

_NAME = "name"


def find_parent_names(
    lake: LakeResource, endpoint: Endpoint, workspace_gid: str, gids: Collection[str], columns: ColumnChoice
) -> dict[str, str]:
    """Return the type and the name of those gids that a table upstream, or the endpoint's own, has, in quotes.

    Names that `columns` hides are left out: what is stored of them may be older than the choice.

    Raises:
        LakeError: The stored tables cannot be read.
    """
    if not gids:
        return {}
    sources = {(one.parent.name, one.parent_column): one.parent for one in endpoint.listings if one.parent}
    sources[endpoint.name, GID.name] = endpoint
    found: dict[str, str] = {}
    wanted = pa.array(sorted(gids), pa.string())
    for (source, column), table in sources.items():
        if _NAME not in table.schema.names or columns.hides(source, _NAME):
            continue
        kind = source.removesuffix("s")
        for batch in lake.stored_rows(table, workspace_gid).batches((column, _NAME)):  # not all rows at once
            rows = batch.filter(pc.is_in(batch[column], value_set=wanted))
            pairs = zip(rows[column].to_pylist(), rows[_NAME].to_pylist(), strict=True)
            found |= {str(gid): f'{kind} "{name}"' for gid, name in pairs if name}
    return found


def name_parents(message: str, names: Mapping[str, str]) -> str:
    """Add the names of the gids in a message."""
    return re.sub(r"\b\d+\b", lambda gid: f"{names[gid[0]]} ({gid[0]})" if gid[0] in names else gid[0], message)
