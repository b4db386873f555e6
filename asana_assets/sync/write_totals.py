"""What storing an extract did to the rows of its table in its workspace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTotals:
    """The figures of all commits of one materialization.

    Attributes:
        rows: The rows that are stored now.
        added: The rows that were added.
        changed: The rows whose content changed.
        removed: The rows that were removed.
    """

    rows: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
