"""The number of pages of a listing."""

from __future__ import annotations

_PAGE_SIZE = 100


def pages(rows: int) -> int:
    """Return the number of pages that this many records take; an empty listing takes one."""
    return max(1, -(-rows // _PAGE_SIZE))
