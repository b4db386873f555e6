"""Reading one endpoint in one workspace, whole: the rows as they come, and what is to be said about them.

The rows are those of every listing of every parent. What was known before takes part where Asana's answer leaves a
question: the rows of a parent that has become private stay as they were, and a record that was known, is not listed
any more and could have moved while its listing was read, is asked for by its gid before it goes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Client, Usage
from asana_assets.asana.columns import Array, Chunked
from asana_assets.asana.endpoint import GID, PARENT_GID, UNMAPPED, Endpoint, Listing
from asana_assets.sync.asking import Ask, ask, choose_parents, eligible, gids_of, listed_by, names_any, single
from asana_assets.sync.fan import Answer, Fan, Outcome
from asana_assets.sync.rows import Found, RowBuilder

_BATCH_ROWS = 5_000
"""Rows made at once, if so many wait: Arrow's JSON reader is fastest over some megabytes."""


class Previous(Protocol):
    """The rows of the last sync, of the same endpoint and workspace."""

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Give these columns of every row."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give every row whole, a bounded number at a time."""
        ...


@dataclass(slots=True)
class Report:
    """What is known of a reading, while it goes on and after.

    Attributes:
        parents: Parents to ask; grows where found rows are parents too.
        parents_done: Of these, answered.
        rows: Rows read; one that was listed twice counts twice.
        forbidden: Parents that may not be read any more. Their rows of the last sync stay.
        gone: Parents deleted meanwhile. Their rows go.
        not_on_plan: Whether the workspace's plan does not have it (402).
        unmapped: Rows with a value that did not fit its column.
        carried: Rows of the last sync that stayed.
        usage: What it cost.
    """

    parents: int = 0
    parents_done: int = 0
    rows: int = 0
    forbidden: list[str] = field(default_factory=list[str])
    gone: int = 0
    not_on_plan: bool = False
    unmapped: int = 0
    carried: int = 0
    usage: Usage = field(default_factory=Usage)


class Reading:
    """One endpoint's rows in one workspace, read while iterated; `report` fills meanwhile. Iterate once."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        workspace_gid: str,
        upstream: Mapping[str, pa.Table],
        previous: Previous,
        client: Client,
    ) -> None:
        """Choose whom to ask; ask nothing yet.

        Args:
            endpoint: What to read.
            workspace_gid: The partition; "" for an endpoint that stands above workspaces.
            upstream: By endpoint name, its rows in this workspace, with the columns that `Endpoint.upstream` names.
            previous: The last sync.
            client: Reads Asana.

        Raises:
            UnknownWorkspaceError: the workspace is not among the upstream rows.
        """
        self.endpoint = endpoint
        self.workspace_gid = workspace_gid
        self.report = Report()
        self._previous = previous
        self._client = client
        self._builder = RowBuilder(endpoint)
        self._absent: list[str] = []
        self._parents = choose_parents(endpoint, workspace_gid, upstream)
        self.report.parents = len(self._parents)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Read.

        Raises:
            AsanaError: the table cannot be read; what was given so far is not all.
        """
        gids: list[Array] = []
        for batch in self._read(self._parents.asks(), nested=self.endpoint.nested):
            if self.endpoint.single:
                gids.append(batch[GID.name])
            yield batch
        if self.endpoint.single:
            yield from self._moved(pa.chunked_array(gids, pa.string()))
        if self.report.forbidden:
            yield from self._kept()

    def _read(self, asks: Iterator[Ask], *, nested: Listing | None = None) -> Iterator[pa.RecordBatch]:
        """Ask, and the parents among what is found too, each once."""
        fan = Fan(self._client, opt_fields=self.endpoint.opt_fields, usage=self.report.usage)
        asked = set(gids_of(self._parents.of(nested))) if nested else set[str]()
        found: list[Found] = []
        rows = 0
        for answer in fan.answers(asks):
            if answer.page is None:
                self._note(answer)
            else:
                found.append(Found(answer.page, answer.ask.parent_gid))
                rows += answer.page.count
            if not found or (rows < _BATCH_ROWS and not fan.idle):
                continue
            batch = self._builder.build(found, self.workspace_gid)
            found.clear()
            rows = 0
            if nested:
                more = [gid for gid in dict.fromkeys(gids_of(eligible(nested, batch))) if gid not in asked]
                asked.update(more)
                fan.add(ask(nested, gid, self.workspace_gid) for gid in more)
                self.report.parents += len(more)
            self.report.rows += batch.num_rows
            self.report.unmapped += batch.num_rows - batch[UNMAPPED.name].null_count
            yield batch

    def _note(self, answer: Answer) -> None:
        """Take down how one ask ended."""
        gid = answer.ask.parent_gid
        if answer.ask.single:
            if answer.outcome is not Outcome.READ:
                self._absent.append(gid)
            return
        self.report.parents_done += 1
        match answer.outcome:
            case Outcome.FORBIDDEN:
                self.report.forbidden.append(gid)
            case Outcome.GONE:
                self.report.gone += 1
            case Outcome.NOT_ON_PLAN:
                self.report.not_on_plan = True
            case _:
                pass

    def _moved(self, listed: Chunked) -> Iterator[pa.RecordBatch]:
        """Ask by gid for what was known and is not listed, though a parent that would list it was read.

        Asana pages by rank (https://developers.asana.com/docs/pagination): what moves meanwhile can be passed over.
        """
        known = self._previous.columns((GID.name, *self.endpoint.within))
        read = self._parents.without(self.report.forbidden)
        missed = pc.and_not(listed_by(self.endpoint, known, read), pc.is_in(known[GID.name], value_set=listed))
        gids = gids_of(known[GID.name].filter(missed))
        for batch in self._read(single(self.endpoint, gid) for gid in gids):
            yield batch.filter(listed_by(self.endpoint, batch, read))

    def _kept(self) -> Iterator[pa.RecordBatch]:
        """Give the last sync's rows of the parents that may not be read any more."""
        parents: Array = pa.array(self.report.forbidden, pa.string())
        if self.endpoint.nested:
            parents = self._with_descendants(parents)
        absent: Array = pa.array(self._absent, pa.string())
        for batch in self._previous.batches():
            theirs = pa.repeat(pa.scalar(value=False), batch.num_rows)
            for column in self.endpoint.within:
                theirs = pc.or_(theirs, names_any(batch[column], parents))
            kept = batch.filter(pc.and_not(theirs, pc.is_in(batch[GID.name], value_set=absent)))
            self.report.carried += kept.num_rows
            yield kept

    def _with_descendants(self, parents: Array) -> Array:
        """Add the gids of the known rows below these parents, to any depth: they were not come by either."""
        known = self._previous.columns((GID.name, *self.endpoint.within))
        while True:
            children = known[GID.name].filter(names_any(known[PARENT_GID.name], parents))
            below = pc.unique(pa.concat_arrays([parents, *children.chunks]))
            if len(below) == len(parents):
                return parents
            parents = below
