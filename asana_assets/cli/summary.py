"""The figures of a sync: one table per workspace, the totals, and where the tables are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import dagster as dg
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from asana_assets.defs.progress import count, format_duration

_CHANGES = ("rows_added", "rows_changed", "rows_removed")  # metadata of materializations that write differences


@dataclass(frozen=True, slots=True)
class RowChanges:
    """The rows that a materialization added, changed and removed."""

    added: int
    changed: int
    removed: int

    def __str__(self) -> str:
        parts = zip("+~-", (self.added, self.changed, self.removed), strict=True)
        return " ".join(f"{sign}{number:,}" for sign, number in parts if number) or "0"


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One materialization.

    Attributes:
        asset: The asset's name.
        workspace_gid: The partition; empty for `workspaces`.
        rows: The rows stored in the partition.
        requests: The requests sent.
        saved: The requests not sent, because a parent was unchanged.
        seconds: The duration of the step.
        changes: The rows that were written, None if that is unknown.
        table: The table's identifier in the catalog.
        location: Where the table's files are.
    """

    asset: str
    workspace_gid: str
    rows: int
    requests: int
    saved: int
    seconds: float
    changes: RowChanges | None = None
    table: str = ""
    location: str = ""


def read_changes(metadata: Mapping[str, dg.MetadataValue]) -> RowChanges | None:
    """Return the changes in a materialization's metadata, None if it does not have them."""
    if not all(name in metadata for name in _CHANGES):
        return None
    return RowChanges(*(int(str(metadata[name].value)) for name in _CHANGES))


def render_summary(lines: Sequence[SummaryLine], names: Mapping[str, str]) -> Iterator[RenderableType]:
    """Yield a table for each workspace, with its name, and the totals."""
    for gid in dict.fromkeys(line.workspace_gid for line in lines if line.workspace_gid):
        name = names.get(gid)
        yield _section(
            f"\n{name} ({gid})" if name else f"\n{gid}", [line for line in lines if line.workspace_gid == gid]
        )
    total = _total(lines)
    saved = f" ({total.saved:,} saved)" if total.saved else ""
    changes = "" if total.changes is None else f" ({total.changes})".replace("(0)", "(unchanged)")
    listed = ", workspaces included" if any(not line.workspace_gid for line in lines) else ""
    yield Text(
        f"\nTotal: {count(total.rows, 'row')}{changes}, {count(total.requests, 'request')}{saved}, "
        f"{format_duration(total.seconds)}{listed}."
    )


def render_location(lines: Sequence[SummaryLine]) -> str:
    """Return where the tables are, "" if none was written."""
    if not lines:
        return ""
    namespace, folder = lines[-1].table.rpartition(".")[0], lines[-1].location.rpartition("/")[0]
    return f"Tables: namespace {namespace} of the Iceberg catalog asana; files in {folder.removeprefix('file://')}"


def summary_document(lines: Sequence[SummaryLine], names: Mapping[str, str]) -> dict[str, object]:
    """Return the figures as a JSON object."""
    return {
        "workspaces": [
            {
                "gid": gid or None,
                "name": names.get(gid) or None,
                "assets": [_asset_document(line) for line in lines if line.workspace_gid == gid],
            }
            for gid in dict.fromkeys(line.workspace_gid for line in lines)
        ],
        "totals": _figures(_total(lines)),
    }


def _asset_document(line: SummaryLine) -> dict[str, object]:
    return {"asset": line.asset, **_figures(line), "table": line.table, "location": line.location}


def _figures(line: SummaryLine) -> dict[str, object]:
    changes = {} if line.changes is None else asdict(line.changes)
    return {
        "rows": line.rows,
        **{f"rows_{name}": number for name, number in changes.items()},
        "requests": line.requests,
        "requests_saved": line.saved,
        "seconds": round(line.seconds, 3),
    }


def _section(title: str, lines: Sequence[SummaryLine]) -> Table:
    has_changes = any(line.changes is not None for line in lines)
    table = Table(title=Text(title, "bold"), title_justify="left", title_style="bold", header_style="bold")
    table.add_column("asset", overflow="fold", min_width=max(len(line.asset) for line in lines))
    for heading in ("rows", *(["changes"] if has_changes else []), "requests", "saved", "time"):
        table.add_column(heading, justify="right", overflow="fold")
    total = _total(lines)
    for line in (*lines, total):
        if line is total:
            table.add_section()
        changes = ["" if line.changes is None else str(line.changes)] if has_changes else []
        figures = (f"{line.rows:,}", *changes, f"{line.requests:,}", f"{line.saved:,}", format_duration(line.seconds))
        table.add_row(line.asset, *figures)
    return table


def _total(lines: Sequence[SummaryLine]) -> SummaryLine:
    known = [line.changes for line in lines if line.changes is not None]
    return SummaryLine(
        asset="total",
        workspace_gid="",
        rows=sum(line.rows for line in lines),
        requests=sum(line.requests for line in lines),
        saved=sum(line.saved for line in lines),
        seconds=sum(line.seconds for line in lines),
        changes=RowChanges(
            sum(one.added for one in known), sum(one.changed for one in known), sum(one.removed for one in known)
        )
        if known
        else None,
    )
