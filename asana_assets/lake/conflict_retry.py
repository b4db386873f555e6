"""Repeating a write that conflicted with another writer's."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from asana_assets.lake.errors import ConflictError

_ATTEMPTS = 20

_T = TypeVar("_T")


def retry_on_conflict(write: Callable[[], _T]) -> _T:
    """Repeat `write` after conflicts; the last of several concurrent writers then wins.

    Raises:
        ConflictError: Conflicts persisted.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return write()
        except ConflictError:
            time.sleep(random.uniform(0, 0.2 * attempt))  # noqa: S311 - jitter, not a secret
    return write()
