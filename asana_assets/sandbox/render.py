"""From objects to what the API answers: exactly the fields named, as values or as encoded JSON.

Encoded records are remembered until the data changes, so that a page is a join of bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from asana_assets.sandbox.fields import Tree, parse_opt_fields
from asana_assets.sandbox.model import JSON, Object, SignedUrl, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

_REMEMBERED_BYTES = 256 * 1024 * 1024
_signatures = itertools.count(1)


def render(value: Value, tree: Tree) -> JSON:
    """The value with the fields of the tree and `gid`.

    A nested object without a tree is a bare reference (`gid`, `resource_type`); a structure without one (a custom
    field's value, a membership) comes whole. A field that the object does not have is left out, not null.
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
        answer: dict[str, JSON] = {}
        if "gid" in value:
            answer["gid"] = render(value["gid"], {})
        for name, below in tree.items():
            if name in value:
                answer[name] = render(value[name], below)
        return answer
    return [render(item, tree) for item in value]


def _render_object(value: Object, tree: Tree) -> dict[str, JSON]:
    if not tree:
        return {"gid": value.gid, "resource_type": value.kind}
    answer: dict[str, JSON] = {"gid": value.gid}
    fields = value.fields
    for name, below in tree.items():
        if name in fields:
            item = fields[name]
            if item is None or type(item) is str or type(item) is bool:  # most of them: spare the call
                answer[name] = item
            else:
                answer[name] = render(item, below)
        elif name == "resource_type":
            answer[name] = value.kind
    return answer


class Encoder:
    """Encodes records, remembering them by (opt_fields, gid) while the data's revision stays the same."""

    def __init__(self) -> None:
        self._json = msgspec.json.Encoder()
        self._records: dict[str, dict[str, bytes]] = {}
        self._size = 0
        self._revision = -1

    def records(self, objects: Iterable[Object], opt_fields: str, revision: int) -> list[bytes]:
        if revision != self._revision or self._size > _REMEMBERED_BYTES:
            self._records.clear()
            self._size = 0
            self._revision = revision
        known = self._records.setdefault(opt_fields, {})
        tree = parse_opt_fields(opt_fields)
        answer: list[bytes] = []
        for item in objects:
            record = known.get(item.gid)
            if record is None:
                record = self._json.encode(_render_object(item, tree))
                if item.kind != "attachment":  # its URLs are signed anew each time
                    known[item.gid] = record
                    self._size += len(record) + 150
            answer.append(record)
        return answer

    def encode(self, value: JSON) -> bytes:
        return self._json.encode(value)
