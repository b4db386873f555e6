"""The declarative model of an endpoint, and the columns that every table has."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from asana_assets.asana.field_types import INSTANT, INTEGER, TEXT, Column
from asana_assets.asana.window import Window

GID = Column(name="gid", field="gid", type=TEXT, doc="Asana's identifier of the object; digits, stored as text.")
RESOURCE_TYPE = Column(
    name="resource_type", field="resource_type", type=TEXT, doc="Asana's name for the object's type."
)
JOINED_GID = Column(
    name="gid",
    field="",
    type=TEXT,
    doc="The gid of the parent and that of the listed object, joined by a hyphen, as several parents list one object.",
)
WORKSPACE_GID = Column(
    name="workspace_gid", field="", type=TEXT, doc="Workspace or organization of the row; the partition column."
)
PARENT_GID = Column(name="parent_gid", field="", type=TEXT, doc="The object to which this one belongs.")
SYNCED_AT = Column(
    name="_synced_at",
    field="",
    type=INSTANT,
    doc="When this version of the row was requested from Asana (UTC); kept while the row does not change.",
)
UNMAPPED = Column(
    name="_unmapped",
    field="",
    type=TEXT,
    doc="Values that did not fit their columns, as a JSON object keyed by path; null if all fit.",
)
ROW_HASH = Column(
    name="_row_hash",
    field="",
    type=INTEGER,
    doc="Internal: a hash of the row's content, by which syncs detect changes; null in rows of earlier releases.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemValues:
    """The values in a column of lists of objects, as a part of versions.

    A version should change when a user changes a parent, and not when a custom field is renamed, is added to a
    project, or is computed from the current date: that concerns thousands of parents, and their children stay the same.

    Attributes:
        column: The column.
        key: Field that identifies an item within its list.
        values: Fields that hold an item's value, as paths with dots; an item without any value is left out.
        computed: Boolean field; an item where it is true is left out.
    """

    column: str
    key: str
    values: tuple[str, ...]
    computed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list request, sent once per parent.

    In `path` and in the values of `params`, `{parent}` stands for the parent's gid and `{workspace}` for the
    workspace's.

    Attributes:
        path: Path below the API's base URL.
        params: Query parameters, except those for paging and `opt_fields`.
        parent: Endpoint whose rows are the parents; None for the only listing without a parent.
        parent_column: Column of the parent's table that holds the gid to request; rows with null are skipped.
        only_if: Column of the parent's table that must not be null, false, 0 or an empty list for the parent to be
            fetched. A number, or the length of a list, is also the expected number of records.
        parent_ref: Column of this endpoint's table that references the parent, or a list of parents.
        is_optional: Whether the endpoint can do without the parents of this listing, should their own be refused.
        recursive: Whether fetched rows are parents themselves, to any depth, under the same `only_if`.
        version_columns: Columns of the parent's table that show whether its listing may have changed: a parent is
            stale if they differ from those at its last fetch, or after `Endpoint.refresh_after_days`. Lists and structs
            follow after the others. Empty: only the age counts. None: every parent is fetched by every sync.
        count_field: Path of an object, and its field, that holds the number of records of the listing.
        single: Whether the response is one record instead of a list. If the parent's gid is that of the record itself,
            as `parent_ref` says, it is requested only if no other listing of the endpoint contains the record.
        paged: Whether the listing has pages; one without takes no `limit`.
        window: The part that most syncs fetch of the listing, which is then the endpoint's only one, of a workspace.
        service_accounts_only: Whether Asana refuses the listing (403) to the tokens of users, so that a refusal says as
            little about the token's permissions as that of a plan without it (402).
    """

    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    parent: "Endpoint | None" = None
    parent_column: str = "gid"
    only_if: str | None = None
    parent_ref: str = "workspace_gid"
    is_optional: bool = False
    recursive: bool = False
    version_columns: tuple[str | ItemValues, ...] | None = None
    count_field: tuple[str, str] | None = None
    single: bool = False
    paged: bool = True
    window: Window | None = None
    service_accounts_only: bool = False

    @property
    def version_column_names(self) -> tuple[str, ...]:
        """Names of the columns in `version_columns`."""
        return tuple(part if isinstance(part, str) else part.column for part in self.version_columns or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A collection of Asana objects and the table that stores them.

    Attributes:
        name: Name of the asset and of the table.
        group: Dagster asset group.
        grain: What one row is, as a noun phrase.
        notes: Further facts for analysts, such as gaps, in Markdown.
        reference: Last part of the URL of Asana's reference page.
        oauth_scope: OAuth scope that the listings require; "" if there is none, so that OAuth tokens require full
            permissions.
        listings: List requests that together find every record; a record found by several is one row.
        columns: The endpoint's own columns, without those that every table has. If one of them holds the gid of the
            record, which several parents may list, there is a row for each, whose own gid is a `JOINED_GID`.
        record_path: Path of one record by `{gid}`, used to confirm a deletion where paging can skip a moved record.
        search: Search for the records that changed in a workspace, on plans that include it.
        refresh_after_days: Age at which a parent is stale although its version is unchanged; 0 for never.
        plan: The plan of Asana that the endpoint needs, such as Advanced; "" for any.
        limited_to: Which of the objects Asana lists, as a noun phrase, if it does not list all that the token can read.
    """

    name: str
    group: str
    grain: str
    notes: str = ""
    reference: str
    oauth_scope: str = ""
    listings: tuple[Listing, ...]
    columns: tuple[Column, ...]
    record_path: str | None = None
    search: Listing | None = None
    refresh_after_days: float = 0
    plan: str = ""
    limited_to: str = ""

    @property
    def is_child(self) -> bool:
        """Whether each row belongs to exactly one parent and carries its gid."""
        return any(listing.parent_ref == PARENT_GID.name for listing in self.listings)

    @property
    def window(self) -> Window | None:
        """The window of the only listing, if it has one."""
        return self.listings[0].window

    @property
    def has_parents_in_workspace(self) -> bool:
        """Whether any listing is of a parent within the workspace, not of the workspace itself."""
        return any(listing.parent and listing.parent.upstream for listing in self.listings)

    @property
    def ancestors(self) -> set[str]:
        """Names of the endpoints above this one, at any distance."""
        parents = [listing.parent for listing in self.listings if listing.parent]
        return {parent.name for parent in parents}.union(*(parent.ancestors for parent in parents))

    def max_age(self, override_days: float | None = None) -> dt.timedelta | None:
        """Return the age from which a parent is stale even if unchanged, None for no limit.

        Args:
            override_days: Replaces `refresh_after_days`; 0 for no limit.
        """
        days = self.refresh_after_days if override_days is None else override_days
        return dt.timedelta(days=days) if days else None

    @property
    def summary(self) -> str:
        """What a row is and its key, as plain text, since Dagster's asset graph shows a description's first line."""
        key = "workspace_gid and gid" if self.upstream else "gid"
        return f"Each row is {self.grain}. The key is {key}."

    @property
    def freshness(self) -> str:
        """How the rows stay up to date, as Markdown for the table's description."""
        if self.window:
            return self._window_freshness(self.window)
        parents: dict[tuple[str, ...] | None, dict[str, None]] = {}
        for listing in self.listings:
            name = listing.parent.name if listing.parent else ""
            key = None if listing.version_columns is None else listing.version_column_names
            parents.setdefault(key, {})[name] = None
        interval = "day" if self.refresh_after_days == 1 else f"{self.refresh_after_days:g} days"
        sentences: list[str] = []
        for version_columns, names in parents.items():
            scope = "" if len(parents) == 1 else f" listed by {' and '.join(f'`{name}`' for name in names)}"
            if version_columns is None:
                sentences.append(f"Every sync fetches all rows{scope}, so deleted objects are removed.")
                continue
            columns = " or ".join(", ".join(f"`{column}`" for column in version_columns).rsplit(", ", 1))
            change = f"when their parent's {columns} changes, and " if columns else ""
            sentences.append(f"Rows{scope} are fetched again {change}at least every {interval} by default.")
        return " ".join(sentences)

    def _window_freshness(self, window: Window) -> str:
        if window.retention:
            return (
                f"Every sync adds what is newer than the newest row. Asana only keeps the last {window.retention.days} "
                "days, but rows are kept for good. If no sync succeeds for that long, what Asana deleted meanwhile is "
                "missing, and a check reports it."
            )
        days = window.overlap.days
        return (
            f"Every sync fetches the rows whose `{window.column.name}` is within the {days} days before the last sync, "
            "or later. Changes and deletions of older rows, and rows that are added with an older date, are found when "
            f"all rows are fetched again, at least every {self.refresh_after_days:g} days by default."
        )

    @property
    def recursive_listing(self) -> Listing | None:
        """The listing whose rows are parents themselves, if any."""
        return next((listing for listing in self.listings if listing.recursive), None)

    @property
    def fallback_listings(self) -> tuple[Listing, ...]:
        """Listings of single records that are requested only for the records that no other listing contains."""
        own = tuple(listing for listing in self.listings if listing.single and listing.parent_ref == GID.name)
        return own if len(own) < len(self.listings) else ()

    @property
    def parent_columns(self) -> tuple[str, ...]:
        """Columns that reference the parents of a row."""
        return tuple(dict.fromkeys(listing.parent_ref for listing in self.listings))

    @property
    def ownership_columns(self) -> tuple[str, ...]:
        """The gid of a row and the columns that reference its parents, each once."""
        return tuple(dict.fromkeys((GID.name, *self.parent_columns)))

    @property
    def record_gid(self) -> Column:
        """The column that holds the gid of a record: that of the row, or one of the endpoint's own."""
        return next((column for column in self.columns if column.field == GID.field), GID)

    @property
    def api_columns(self) -> tuple[Column, ...]:
        """Columns whose values come from Asana."""
        return self.columns if self.record_gid in self.columns else (GID, *self.columns)

    @property
    def schema(self) -> pa.Schema:
        """The table's schema, with column docs and the table's comment as metadata."""
        parent = (PARENT_GID,) if self.is_child else ()
        gid = GID if self.record_gid is GID else JOINED_GID
        columns = (gid, WORKSPACE_GID, *parent, *self.columns, SYNCED_AT, UNMAPPED, ROW_HASH)
        comment = " ".join((self.summary, *self.notes.split()))
        return pa.schema([column.arrow_field for column in columns], metadata={"comment": comment})

    @property
    def sort_by(self) -> tuple[str, ...]:
        """Columns by which the table is sorted."""
        return (PARENT_GID.name, GID.name) if self.is_child else (GID.name,)

    @property
    def opt_fields(self) -> str:
        """Query parameter that requests exactly the endpoint's columns."""
        columns = (column for column in self.columns if column is not self.record_gid)  # a gid is always included
        return ",".join(path for column in columns for path in column.type.opt_fields(column.field))

    @property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """Names of the endpoints that provide the parents, with the columns required from each."""
        upstream: dict[str, tuple[str, ...]] = {}
        for listing in self.listings:
            if listing.parent is not None:
                required = (listing.parent_column, listing.only_if, *listing.version_column_names)
                columns = (*upstream.get(listing.parent.name, ()), *required)
                upstream[listing.parent.name] = tuple(dict.fromkeys(column for column in columns if column))
        return upstream
