"""What the catalogue is written in: an endpoint, and the listings that together find all of its records."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from asana_assets.asana.field_types import INSTANT, TEXT, Column

GID = Column(name="gid", field="gid", type=TEXT, doc="Asana's identifier of the object; digits, kept as text.")
RESOURCE_TYPE = Column(
    name="resource_type", field="resource_type", type=TEXT, doc="Asana's name of the kind of object."
)
WORKSPACE_GID = Column(name="workspace_gid", field="", type=TEXT, doc="The workspace or organization; the partition.")
PARENT_GID = Column(name="parent_gid", field="", type=TEXT, doc="The object that this one was listed under.")
SYNCED_AT = Column(name="_synced_at", field="", type=INSTANT, doc="When Asana was asked for this row (UTC).")
UNMAPPED = Column(
    name="_unmapped",
    field="",
    type=TEXT,
    doc="Values that did not fit their columns: a JSON object by path, else null.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One way to list records: a path, asked once for each parent.

    In `path` and the values of `params`, `{parent}` stands for the parent's gid and `{workspace}` for the workspace's.

    Attributes:
        path: Below the API's base URL.
        params: The query, less paging and `opt_fields`.
        parent: The endpoint whose rows are the parents; None where there is nothing above.
        parent_column: The column of the parent's table that holds the gid to ask with; null is not asked.
        where: A column of the parent's table that must be neither null, false nor 0 for the parent to be asked. If
            it is a number, the listing has so many records.
        within: The column of our own table that names the parent, or lists the parents.
        nested: Whether the rows found are parents too, to any depth, under the same `where`.
        version: The columns of the parent's table that show whether its listing changed; a parent is asked when they
            differ from what they were when it was last read, or by age. Without columns, by age alone. None: always.
        count: The path of an object, and the field of it, that tells how many records the listing has.
    """

    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    parent: "Endpoint | None" = None
    parent_column: str = "gid"
    only_if: str | None = None
    parent_ref: str = "workspace_gid"
    recursive: bool = False
    version_columns: tuple[str, ...] | None = None
    count_field: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One collection of Asana and the table it becomes.

    Attributes:
        name: The asset's, and the table's.
        group: The heading it stands under.
        grain: What one row is, in a clause.
        notes: What else a reader of the table should know, in Markdown.
        reference: Asana's page about it, by its last part.
        listings: What finds every record; a record that several find is one row.
        columns: The fields, less `gid` and those that every table has.
        single: The path of one record by `{gid}`, where a listing can miss one that moved meanwhile.
        search: What finds records that changed in a workspace, on plans that have it.
        refresh_after_days: The age at which a parent is asked again although nothing shows a change; 0 for never.
    """

    name: str
    group: str
    grain: str
    notes: str = ""
    reference: str
    listings: tuple[Listing, ...]
    columns: tuple[Column, ...]
    record_path: str | None = None
    search: Listing | None = None
    refresh_after_days: float = 0

    @property
    def is_child(self) -> bool:
        """Whether rows belong to the one parent they were listed under, and carry its gid."""
        return any(listing.parent_ref == PARENT_GID.name for listing in self.listings)

    def max_age(self, override_days: float | None = None) -> dt.timedelta | None:
        """Return the age from which a parent is stale even if unchanged, None for no limit.

        Args:
            override_days: Replaces `refresh_after_days`; 0 for no limit.
        """
        days = self.refresh_after_days if override_days is None else override_days
        return dt.timedelta(days=days) if days else None

    @property
    def recursive_listing(self) -> Listing | None:
        """The listing whose rows are parents too, if any."""
        return next((listing for listing in self.listings if listing.recursive), None)

    @property
    def parent_columns(self) -> tuple[str, ...]:
        """The columns that name what a row was listed under."""
        return tuple(dict.fromkeys(listing.parent_ref for listing in self.listings))

    @property
    def api_columns(self) -> tuple[Column, ...]:
        """The columns that come from Asana."""
        return (GID, *self.columns)

    @property
    def schema(self) -> pa.Schema:
        """The table's columns, in order."""
        owner = (PARENT_GID,) if self.is_child else ()
        columns = (GID, WORKSPACE_GID, *owner, *self.columns, SYNCED_AT, UNMAPPED)
        return pa.schema([column.arrow_field for column in columns])

    @property
    def sort_by(self) -> tuple[str, ...]:
        return (PARENT_GID.name, GID.name) if self.is_child else (GID.name,)

    @property
    def opt_fields(self) -> str:
        """The query parameter that asks for exactly these columns."""
        return ",".join(path for column in self.columns for path in column.type.opt_fields(column.field))

    @property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """The endpoints whose rows are parents here, by name, each with the columns that are needed of it."""
        needed: dict[str, tuple[str, ...]] = {}
        for listing in self.listings:
            if listing.parent is not None:
                wanted = (listing.parent_column, listing.only_if, *(listing.version_columns or ()))
                columns = (*needed.get(listing.parent.name, ()), *wanted)
                needed[listing.parent.name] = tuple(dict.fromkeys(column for column in columns if column))
        return needed
