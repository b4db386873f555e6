"""Redaction of error messages from other libraries before they are raised, logged or displayed."""

import re
from collections.abc import Iterable

_USERINFO = re.compile(r"[^\s]*@")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the first line of `text` without userinfo (the part of a word up to an `@`) and without `secrets`."""
    line = text.strip().partition("\n")[0]
    for secret in secrets:
        line = line.replace(secret, "***")
    return _USERINFO.sub("***@", line)
