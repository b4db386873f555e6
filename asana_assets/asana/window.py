"""The part of a listing that most syncs fetch."""

import datetime as dt
from dataclasses import dataclass

from asana_assets.asana.field_types import DATE, Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The recent records of a workspace's listing, which syncs fetch when they do not fetch all of it.

    Attributes:
        param: Query parameter that bounds `column` from below.
        end_param: Query parameter that bounds it from above, by which a listing that Asana truncates is divided.
        column: Column with the date or the time of a record.
        overlap: How long before the last sync the window starts. Changes of older records are found when the whole
            listing is fetched, after `Endpoint.refresh_after_days`.
        retention: How long Asana keeps the records of an append-only log, oldest first: rows are kept for good, the
            window starts before the newest of them, and an empty page ends the listing, though it names a next one.
            None if the listing has every record that exists.
    """

    param: str
    end_param: str = ""
    column: Column
    overlap: dt.timedelta
    retention: dt.timedelta | None = None

    def params(self, start: dt.datetime, end: dt.datetime | None) -> dict[str, str]:
        """Return the query parameters of a window from `start` to `end` (UTC), None for no end."""
        bounds = {self.param: start} if end is None else {self.param: start, self.end_param: end}
        if self.column.type is DATE:
            return {name: bound.date().isoformat() for name, bound in bounds.items()}
        return {name: bound.isoformat(timespec="milliseconds").replace("+00:00", "Z") for name, bound in bounds.items()}
