"""The object model: objects by gid, whose fields hold plain values or references to other objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Value: TypeAlias = "bool | int | float | str | Object | Sequence[Value] | Mapping[str, Value] | None"
Struct: TypeAlias = Mapping[str, Value]
Rank: TypeAlias = "tuple[int | str, ...]"
"""Sort key of an object in a listing; an offset encodes the rank of the last object sent."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SignedUrl(str):
    """A URL that gets a new signature in every response, like those of attachments."""

    __slots__ = ()


class Object:
    """One Asana object.

    Attributes:
        gid: Unique among all objects of an organization.
        kind: The API's `resource_type`.
        workspace_gid: The containing workspace; empty for workspaces and users.
        rank: Creation order, by which most listings are sorted.
        fields: Named as in the API. A nested object is a reference, so that a change to it shows everywhere.
    """

    __slots__ = ("fields", "gid", "kind", "rank", "workspace_gid")

    def __init__(self, gid: str, kind: str, workspace_gid: str, rank: int, fields: dict[str, Value]) -> None:
        self.gid = gid
        self.kind = kind
        self.workspace_gid = workspace_gid
        self.rank = rank
        self.fields = fields

    def __repr__(self) -> str:
        return f"<{self.kind} {self.gid} {self.fields.get('name')!r}>"

    def text(self, field: str) -> str:
        """Return the field as text; empty if it is null, missing or not text."""
        value = self.fields.get(field)
        return value if isinstance(value, str) else ""

    def flag(self, field: str) -> bool:
        """Return whether the field is true; a missing one is not."""
        return self.fields.get(field) is True

    def ref(self, field: str) -> Object | None:
        """Return the object that the field references, if any."""
        value = self.fields.get(field)
        return value if isinstance(value, Object) else None

    def refs(self, field: str) -> tuple[Object, ...]:
        """Return the objects that a list field references; empty if it is missing."""
        value = self.fields.get(field)
        if not isinstance(value, Sequence) or isinstance(value, str):
            return ()
        return tuple(item for item in value if isinstance(item, Object))


def format_instant(milliseconds: int) -> str:
    """Format an instant as Asana does: UTC, with three digits of milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def format_date(milliseconds: int) -> str:
    """Format the UTC date of an instant."""
    return f"{_EPOCH + timedelta(milliseconds=milliseconds):%Y-%m-%d}"


def normalize_instant(text: str) -> str:
    """Return an ISO 8601 instant or date in the format of `format_instant`, so that texts compare as times.

    Raises:
        ValueError: The text is not ISO 8601.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return format_instant(round((moment - _EPOCH) / timedelta(milliseconds=1)))
