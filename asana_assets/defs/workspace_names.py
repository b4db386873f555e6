"""The names of workspaces: what users call them, in settings, options and messages. Everything stored uses gids."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg
import pyarrow as pa

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.model import GID
from asana_assets.defs.names import Names
from asana_assets.sync.extract import StoredRows
from asana_assets.sync.gids import to_gid_list

NAMES_KEY = "workspace_names"
"""Metadata of the materializations of `workspaces`: the name of each workspace by its gid."""

_NAME_COLUMN = "name"


def load_workspace_names(instance: dg.DagsterInstance, names: Names) -> dict[str, str]:
    """Return the workspaces' names by gid, as the last sync of `workspaces` in this instance found them."""
    event = instance.get_latest_materialization_event(names.asset_key(WORKSPACES.name))
    materialization = event and event.asset_materialization
    value = materialization and materialization.metadata.get(NAMES_KEY)
    found = value.value if value else None
    return {str(gid): str(name) for gid, name in found.items()} if isinstance(found, Mapping) else {}


def workspace_names(rows: pa.Table) -> dict[str, str]:
    """Return the names in rows of `workspaces` by gid; "" for one without."""
    names = rows[_NAME_COLUMN].to_pylist()
    return {gid: name or "" for gid, name in zip(to_gid_list(rows[GID.name]), names, strict=True)}


def stored_workspace_names(stored: StoredRows) -> dict[str, str]:
    """Return the names in the stored rows of `workspaces` by gid; "" for one without."""
    return workspace_names(stored.columns((GID.name, _NAME_COLUMN)))


def label_workspace(gid: str, names: Mapping[str, str]) -> str:
    """Return the workspace's name, with the gid if it is not unique; the gid if it is unknown."""
    name = names.get(gid)
    if not name:
        return gid
    return name if list(names.values()).count(name) == 1 else f"{name} ({gid})"


def label_workspaces(gids: Iterable[str], names: Mapping[str, str]) -> str:
    """Return the labels of several workspaces, separated by commas."""
    return ", ".join(label_workspace(gid, names) for gid in gids)


def find_workspaces(wanted: Sequence[str], names: Mapping[str, str], source: str) -> list[str]:
    """Return the gids of workspaces that are given by gid or name; what matches none is returned as it is.

    Args:
        wanted: Gids and names; a name matches in any case.
        names: The workspaces' names by gid.
        source: The setting or option that holds `wanted`, for error messages.

    Raises:
        ConfigurationError: Several workspaces have a name.
    """
    found: list[str] = []
    for text in wanted:
        named = [gid for gid, name in names.items() if name.casefold() == text.casefold()]
        if text not in names and len(named) > 1:
            raise ConfigurationError(
                f"{source} names {text}, but {len(named)} workspaces have that name: use a gid ({', '.join(named)})"
            )
        found.append(text if text in names or not named else named[0])
    return found


def unknown_workspaces_message(unknown: Sequence[str], names: Mapping[str, str], source: str) -> str:
    """Return the message about workspaces that match none of the visible ones."""
    visible = ", ".join(f"{name} ({gid})" if name else gid for gid, name in names.items()) or "none"
    return f"{source} names {', '.join(unknown)}, which this token cannot see. It can see: {visible}"
