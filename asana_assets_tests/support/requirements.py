"""Programs that some tests need and that not every machine has."""

import os
from typing import TypeVar

import pytest

_T = TypeVar("_T")


def require_installed(found: _T | None, name: str) -> _T:
    """Return `found`; if it is None, skip the test, or fail it in CI, which installs everything.

    Args:
        found: The program or its path, None if it is missing.
        name: The program and the package that provides it, for the message.
    """
    if found is not None:
        return found
    message = f"{name} is not installed"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
