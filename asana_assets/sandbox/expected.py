"""The records that a complete sync must contain, as the API would return them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from asana_assets.sandbox.api.fields import ALL_FIELDS, JOINED_FIELDS, parse_opt_fields
from asana_assets.sandbox.api.render import render
from asana_assets.sandbox.data.tables import table_objects

if TYPE_CHECKING:
    from collections.abc import Collection

    from asana_assets.sandbox.data.model import JSON
    from asana_assets.sandbox.data.store import Store

VOLATILE_FIELDS = ("download_url", "view_url")
"""Fields of attachments that differ in every response; the truth does not contain them."""


def truth(store: Store, endpoint: str, workspace_gid: str, endpoints: Collection[str] = ()) -> list[dict[str, JSON]]:
    """Return the records of one endpoint and workspace, with every documented field except the volatile ones.

    The arguments are those of `table_objects`.

    Raises:
        KeyError: There is no such endpoint.
    """
    tree = parse_opt_fields(",".join((ALL_FIELDS[endpoint], *JOINED_FIELDS.get(endpoint, ()))))
    records: list[dict[str, JSON]] = []
    with store.lock:
        for item in table_objects(store, endpoint, workspace_gid, endpoints):
            record = render(item, tree)
            if isinstance(record, Mapping):
                records.append({name: value for name, value in record.items() if name not in VOLATILE_FIELDS})
    return records
