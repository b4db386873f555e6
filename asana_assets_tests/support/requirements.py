"""What tests need of the machine, and not every machine has."""

import os
from typing import TypeVar

import pytest

_T = TypeVar("_T")


def installed(found: _T | None, name: str) -> _T:
    """Give what was found. Where it is missing the test is skipped, but fails in CI, which installs everything."""
    if found is not None:
        return found
    missing = f"{name} is not installed here"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
