"""Redaction of foreign error text before it is raised, logged or shown."""

import re
from collections.abc import Iterable

_USERINFO = re.compile(r"[^\s]*@")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the first line of `text` without userinfo (everything up to an `@`) and without any of `secrets`."""
    line = text.strip().partition("\n")[0]
    for secret in secrets:
        line = line.replace(secret, "***")
    return _USERINFO.sub("***@", line)
