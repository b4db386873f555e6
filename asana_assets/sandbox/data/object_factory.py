"""What all object constructors share: gids, ranks, registration in the store, rich text."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.model import Object, Value
from asana_assets.sandbox.data.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

APP_URL = "https://app.asana.com"

_FIRST_GID = 1_200_000_000_000_000
_MAX_GID_GAP = 997


def to_html(text: str) -> str:
    """Convert plain text to Asana's rich text."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<body>{escaped}</body>"


class ObjectFactory(Store):
    """A store that creates objects. Gids increase, with gaps that depend only on the seed.

    The constructors of its subclasses set every documented field that is not deprecated.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._gaps = Random(f"gids {seed}")  # noqa: S311 - not a secret
        self._gid = _FIRST_GID + self._gaps.randrange(10**9)
        self._rank = 0

    def new_gid(self) -> str:
        self._gid += self._gaps.randint(1, _MAX_GID_GAP)
        return str(self._gid)

    def reserve_gids(self, count: int) -> int:
        """Reserve consecutive gids and return the first."""
        first = self._gid + 1
        self._gid += count
        return first

    def new_rank(self) -> int:
        self._rank += 1
        return self._rank

    def _create(self, kind: str, workspace_gid: str, fields: Mapping[str, Value]) -> Object:
        """Create an object and add it to `objects`, but to no listing."""
        created = Object(self.new_gid(), kind, workspace_gid, self.new_rank(), dict(fields))
        self.objects[created.gid] = created
        return created
