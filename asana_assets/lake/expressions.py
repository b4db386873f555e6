"""Filters of scans and commits."""

from pyiceberg.expressions import BooleanExpression, EqualTo, IsNull, StartsWith


def where_equal(column: str, value: str) -> BooleanExpression:
    """Build an `EqualTo`; pydantic hides its actual signature from the type checker."""
    return EqualTo(column, value)  # pyright: ignore[reportCallIssue] - pydantic hides the signature


def where_starts_with(column: str, prefix: str) -> BooleanExpression:
    """Build a `StartsWith`, see `where_equal`."""
    return StartsWith(column, prefix)  # pyright: ignore[reportCallIssue] - pydantic hides the signature


def where_null(column: str) -> BooleanExpression:
    """Build an `IsNull`, see `where_equal`."""
    return IsNull(column)  # pyright: ignore[reportCallIssue] - pydantic hides the signature
