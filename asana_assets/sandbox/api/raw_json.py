"""JSON in which single values are arbitrary bytes, such as no JSON encoder would produce."""

from __future__ import annotations

import base64
import re

_MARK = "raw bytes follow:"
_MARKED = re.compile(rb'"%b([^"]*)"' % _MARK.encode())


def raw_value(encoded: bytes) -> str:
    """Return a placeholder for a value that `insert_raw_values` replaces by these bytes."""
    return _MARK + base64.b64encode(encoded).decode()


def insert_raw_values(encoded: bytes) -> bytes:
    """Replace every placeholder in encoded JSON."""
    return _MARKED.sub(lambda match: base64.b64decode(match[1]), encoded)
