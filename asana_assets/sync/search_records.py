"""Records on the pages of a search, as far as change detection needs them.

A record that cannot be understood is left out, and so is a field of it: search is not the only way to find a change.
"""

import datetime as dt
from contextlib import suppress
from typing import Final

import msgspec

from asana_assets.asana.client import Page
from asana_assets.sync.rows import raw_records

CREATED_AT: Final = "created_at"
MODIFIED_AT: Final = "modified_at"
PARENT: Final = "parent"


class Reference(msgspec.Struct, frozen=True):
    """A reference to another object."""

    gid: str


class SearchRecord(msgspec.Struct, frozen=True):
    """A record that a search found; fields that are missing or malformed are None."""

    gid: str
    created_at: dt.datetime | None = None
    modified_at: dt.datetime | None = None
    parent: Reference | None = None

    def time(self, field: str) -> dt.datetime | None:
        """Return the time in `created_at` or `modified_at`; None without a time zone."""
        time = self.created_at if field == CREATED_AT else self.modified_at
        return time if time and time.tzinfo else None


class _Records(msgspec.Struct):
    data: list[SearchRecord]


def decode_records(page: Page) -> list[SearchRecord]:
    """Return the records on a page that have a gid."""
    try:
        return msgspec.json.decode(page.body, type=_Records).data
    except msgspec.ValidationError:
        return [record for value in raw_records(page) if (record := _convert(value)) is not None]


def _convert(value: object) -> SearchRecord | None:
    """Return one record without the fields that are malformed, None without a gid."""
    try:
        sent = msgspec.convert(value, dict[str, object])
        record = msgspec.convert({"gid": sent.get("gid")}, SearchRecord)
    except msgspec.ValidationError:
        return None
    for name in (CREATED_AT, MODIFIED_AT, PARENT):
        with suppress(msgspec.ValidationError):
            field = msgspec.convert({"gid": record.gid, name: sent.get(name)}, SearchRecord)
            record = msgspec.structs.replace(record, **{name: getattr(field, name)})
    return record
