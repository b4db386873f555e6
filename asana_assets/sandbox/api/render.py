"""Render objects as JSON values and encoded records, with exactly the requested fields."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from asana_assets.sandbox.api.fields import Tree, parse_opt_fields
from asana_assets.sandbox.data.model import JSON, Object, SignedUrl, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_CACHED_BYTES = 256 * 1024 * 1024
_CACHE_ENTRY_BYTES = 150  # of a dictionary entry and its objects, roughly
_signatures = itertools.count(1)


def render(value: Value, tree: Tree) -> JSON:
    """Return the value as JSON, restricted to `gid` and the fields of the tree.

    With an empty tree a nested object is a bare reference (`gid`, `resource_type`), while a structure (a custom field's
    value, a membership) is rendered in full. A field that the object does not have is omitted, not null.
    """
    if isinstance(value, Object):
        return _render_object(value, tree)
    if isinstance(value, SignedUrl):
        return f"{value}?signature={next(_signatures):08x}"
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        if not tree:
            return {name: render(item, {}) for name, item in value.items()}
        rendered: dict[str, JSON] = {}
        if "gid" in value:
            rendered["gid"] = render(value["gid"], {})
        for name, subtree in tree.items():
            if name in value:
                rendered[name] = render(value[name], subtree)
        return rendered
    return [render(item, tree) for item in value]


def _render_object(value: Object, tree: Tree) -> dict[str, JSON]:
    if not tree:
        return {"gid": value.gid, "resource_type": value.kind}
    rendered: dict[str, JSON] = {"gid": value.gid}
    fields = value.fields
    for name, subtree in tree.items():
        if name in fields:
            item = fields[name]
            if item is None or type(item) is str or type(item) is bool:  # most values; avoids a call
                rendered[name] = item
            else:
                rendered[name] = render(item, subtree)
        elif name == "resource_type":
            rendered[name] = value.kind
    return rendered


class Encoder:
    """Encodes records as JSON, caching them by `opt_fields` and gid until the data changes.

    A page is then a concatenation of cached bytes.
    """

    def __init__(self) -> None:
        self._json = msgspec.json.Encoder()
        self._cache: dict[str, dict[str, bytes]] = {}
        self._cached_bytes = 0
        self._revision = -1

    def encode_records(self, objects: Iterable[Object], opt_fields: str, revision: int) -> list[bytes]:
        """Encode each object; `revision` is that of the organization."""
        if revision != self._revision or self._cached_bytes > _MAX_CACHED_BYTES:
            self._cache.clear()
            self._cached_bytes = 0
            self._revision = revision
        cached = self._cache.setdefault(opt_fields, {})
        tree = parse_opt_fields(opt_fields)
        records: list[bytes] = []
        for item in objects:
            record = cached.get(item.gid)
            if record is None:
                record = self._json.encode(_render_object(item, tree))
                if item.kind != "attachment":  # its URLs get a new signature each time
                    cached[item.gid] = record
                    self._cached_bytes += len(record) + _CACHE_ENTRY_BYTES
            records.append(record)
        return records
