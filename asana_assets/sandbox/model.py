"""What the sandbox remembers: objects by gid, whose fields hold values or other objects. No HTTP, no JSON text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Value: TypeAlias = "bool | int | float | str | Object | Sequence[Value] | Mapping[str, Value] | None"
Struct: TypeAlias = Mapping[str, Value]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SignedUrl(str):
    """A URL that is signed anew in every answer, as those of attachments are."""

    __slots__ = ()


class Object:
    """One Asana object. `fields` are named as in the API; a nested object is the object itself, so renames show."""

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
        """The field as text, empty where it is null or missing."""
        value = self.fields.get(field)
        return value if isinstance(value, str) else ""

    def flag(self, field: str) -> bool:
        return self.fields.get(field) is True

    def ref(self, field: str) -> Object | None:
        value = self.fields.get(field)
        return value if isinstance(value, Object) else None

    def refs(self, field: str) -> tuple[Object, ...]:
        value = self.fields.get(field)
        if not isinstance(value, Sequence) or isinstance(value, str):
            return ()
        return tuple(item for item in value if isinstance(item, Object))


def instant(milliseconds: int) -> str:
    """Asana's spelling of an instant: UTC, three digits of milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def date(milliseconds: int) -> str:
    return f"{_EPOCH + timedelta(milliseconds=milliseconds):%Y-%m-%d}"


def parse_instant(text: str) -> str:
    """Any ISO 8601 instant or date, spelled as `instant` does, so that texts compare as times.

    Raises:
        ValueError: not ISO 8601.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return instant(round((moment - _EPOCH) / timedelta(milliseconds=1)))
