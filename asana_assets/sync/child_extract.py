"""Reading the children of the parents that are due, and no others, in checkpoints.

A checkpoint holds parents that were read to their end, and all their rows: once it is stored, they need not be asked
again, whatever happens to the run. The rows of parents that are not due stay where they are.
"""

import datetime as dt
import hashlib
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Page
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, PARENT_GID
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.fetcher import Fetcher, FetchEvent, Outcome
from asana_assets.sync.full_extract import BATCH_ROWS, ExtractContext, ExtractStats
from asana_assets.sync.parents import (
    FetchRequest,
    Parents,
    choose_parents,
    eligible_parents,
    listing_request,
    merge_parents,
    to_gid_list,
)
from asana_assets.sync.rows import FetchedPage, RowBuilder
from asana_assets.sync.sync_state import SyncState


@dataclass(slots=True)
class Checkpoint:
    """Parents that were read, with all their rows.

    Attributes:
        read: What `Memory` is to keep: by parent, its version and when it was asked.
        gone: Parents that are no more.
        batches: The rows of the parents that were read.
        rows: How many.
        last: The sync that comes to its end with this.
    """

    fetched: list[tuple[str, str, dt.datetime]] = field(default_factory=list[tuple[str, str, dt.datetime]])
    deleted: list[str] = field(default_factory=list[str])
    batches: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])
    rows: int = 0
    completes: Sync | None = None

    def sync_state(self) -> pa.Table:
        """Give what is to be remembered once the rows are stored."""
        gids, texts, instants = zip(*self.fetched, strict=True) if self.fetched else ((), (), ())
        read = SyncState.rows(
            pa.array(gids, pa.string()), pa.array(texts, pa.string()), pa.array(instants, pa.timestamp("us", tz="UTC"))
        )
        return pa.concat_tables([read, SyncState.completed_marker(self.completes)]) if self.completes else read

    @property
    def parents(self) -> Array:
        """The gids whose rows this replaces."""
        return pa.array([*(gid for gid, _, _ in self.fetched), *self.deleted], pa.string())


class _Gid(msgspec.Struct):
    gid: str


class _Hit(msgspec.Struct):
    gid: str
    modified_at: dt.datetime | None = None
    parent: _Gid | None = None


class _Hits(msgspec.Struct):
    data: list[_Hit]


class ChildExtract:
    """The children of one workspace, read while `checkpoints` is iterated; `report` fills meanwhile. Iterate once.

    `data_version`, from `begin` on, is another if a parent's version is, or a search finds something changed.
    """

    def __init__(
        self, source: ExtractContext, *, checkpoint_rows: int = 50_000, checkpoint_seconds: float = 300.0
    ) -> None:
        """Find the parents; ask nothing yet.

        Args:
            source: What to read from.
            checkpoint_rows: A checkpoint is given when it has so many rows and parents,
            checkpoint_seconds: or when so much time has passed since the last.
        """
        self.endpoint = source.endpoint
        self.workspace_gid = source.workspace_gid
        self.previous = source.previous
        self.stats = ExtractStats()
        self._source = source
        self._limits = checkpoint_rows, checkpoint_seconds
        self._builder = RowBuilder(source.endpoint)
        [(self._listing, self._parents)] = choose_parents(source.endpoint, source.workspace_gid, source.upstream).groups
        self._checkpoint = Checkpoint()
        self._found: list[FetchedPage] = []
        self._changed: set[str] = set()
        self._asked: set[str] = set()
        self._fetcher: Fetcher | None = None
        self.data_version = ""

    def start(self) -> Fetcher:
        """Find out who is due and start asking, a bounded number of pages ahead; call `close` if nobody reads them.

        Raises:
            AsanaError: what changed could not be searched.
        """
        if self._fetcher:
            return self._fetcher
        parents, changed = self._parents, pa.array([], pa.string())
        if self.endpoint.recursive_listing:
            known = self._source.previous.columns(self.columns)
            parents = merge_parents([parents, self._nested(known)])
            changed = self._find_changed(known)
            self._changed = set(to_gid_list(changed))
        due = parents.filter(self._source.state.stale(parents, sync=self._source.sync, changed=changed))
        if self.endpoint.recursive_listing:
            self._asked = set(to_gid_list(due["gid"]))
        self.stats.parents, self.stats.parents_stale = parents.num_rows, due.num_rows
        self.stats.resumed = self._source.state.count_fetched_since(self._source.sync.started_at)
        self.data_version = self._version(parents)
        self._fetcher = Fetcher(
            self._source.client, opt_fields=self.endpoint.opt_fields, usage=self.stats.request_stats
        )
        self._fetcher.start(Parents(self.workspace_gid, ((self._listing, due),)).requests())
        return self._fetcher

    def _version(self, parents: pa.Table) -> str:
        """Name what the rows will be by the versions of all parents, so that it stays while these do."""
        digest = hashlib.sha256()
        for batch in parents.combine_chunks().to_batches():
            digest.update(batch.serialize())
        if self._changed:  # of which the parents' versions do not tell
            digest.update(self._source.sync.id.encode())
        return digest.hexdigest()[:16]

    @property
    def all_sent(self) -> bool:
        """Whether what was begun has nobody more to ask."""
        return self._fetcher is None or self._fetcher.all_sent

    def close(self) -> None:
        """Stop asking."""
        if self._fetcher:
            self._fetcher.close()

    def checkpoints(self) -> Generator[Checkpoint]:
        """Read what is due. A checkpoint counts as stored when the next one is asked for; the last has `last`.

        Raises:
            AsanaError: not all could be read; what could is in the checkpoints given and in `rest`.
        """
        fan = self.start()
        rows_at_most, seconds_at_most = self._limits
        pages: dict[str, list[Page]] = {}
        waiting = 0
        began = time.monotonic()
        with closing(fan.events()) as answers:
            for answer in answers:
                if answer.page is not None:
                    pages.setdefault(answer.request.parent_gid, []).append(answer.page)
                    continue
                ended = pages.pop(answer.request.parent_gid, [])
                self._record_parent(answer, ended)
                waiting += sum(page.count for page in ended)
                size = waiting + self._checkpoint.rows + len(self._checkpoint.fetched)
                full = size >= rows_at_most or time.monotonic() - began >= seconds_at_most
                if full or waiting >= BATCH_ROWS or (self.endpoint.recursive_listing and fan.drained):
                    waiting = 0
                    fan.enqueue(self._nested_asks(self._build()))
                if full:
                    yield from self._store()
                    began = time.monotonic()
        self._build()
        self._checkpoint.completes = self._source.sync
        yield from self._store()

    def partial_checkpoint(self) -> Checkpoint:
        """Give what was read and is not known to be stored; for when `checkpoints` was broken off."""
        self._build()
        return self._checkpoint

    def obsolete_parents(self, known: pa.Table) -> tuple[Array, Array]:
        """Give the parents whose rows are stored, and those that are remembered, though they are none any more.

        Args:
            known: Of every row stored by now, the columns that `columns` names.
        """
        valid = self._parents["gid"].combine_chunks()
        if self.endpoint.recursive_listing:
            valid = pa.concat_arrays([valid, *self._nested(known)["gid"].chunks])
        stored = pc.unique(known[PARENT_GID.name].combine_chunks())
        stored = stored.filter(pc.invert(pc.is_in(stored, value_set=valid)))
        return stored, self._source.state.untracked_by(valid)

    def orphaned_gids(self, stored: pa.Table) -> Array:
        """Give the parents that stored rows name and that are none; of each row, the columns that `columns` names."""
        parents, _ = self.obsolete_parents(stored)
        return parents

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the endpoint's own rows that tell what is known."""
        own = (self._listing.only_if, *(self._listing.version_columns or ())) if self.endpoint.recursive_listing else ()
        return tuple(dict.fromkeys((GID.name, PARENT_GID.name, *(column for column in own if column))))

    def _nested(self, known: pa.Table) -> pa.Table:
        """Give the parents among the known rows, those that can still be come by from above."""
        reached = self._parents
        levels = [self._parents.slice(0, 0)]
        while known.num_rows and reached.num_rows:
            below = pc.is_in(known[PARENT_GID.name], value_set=reached["gid"].combine_chunks())
            reached = eligible_parents(self._listing, known.filter(below))
            known = known.filter(pc.invert(below))
            levels.append(reached)
        return pa.concat_tables(levels)

    def _find_changed(self, known: pa.Table) -> Array:
        """Give the parents of those children that a search finds changed: other than they are known."""
        if not self.endpoint.search or self._source.sync.full_refresh:
            return pa.array([], pa.string())
        pages = self._source.search.changed_since(
            self.endpoint.search,
            self.workspace_gid,
            self._source.state.last_sync_started_at,
            opt_fields="created_at,modified_at,parent",
            usage=self.stats.request_stats,
        )
        hits = [hit for page in pages or () for hit in msgspec.json.decode(page.body, type=_Hits).data]
        gids = pa.array([hit.gid for hit in hits], pa.string())
        ours = known.filter(pc.is_in(known[GID.name], value_set=gids))
        as_known = dict(zip(to_gid_list(ours[GID.name]), ours["modified_at"].to_pylist(), strict=True))
        others = pa.array(
            [hit.parent.gid for hit in hits if hit.parent and as_known.get(hit.gid) != hit.modified_at], pa.string()
        )
        # A first child does not modify its parent. If that is a row of ours, it is read again, with those beside it:
        # then it is known to have children, and is asked.
        named = known.filter(pc.is_in(known[GID.name], value_set=others))
        childless = named.filter(
            pc.invert(pc.is_in(named[GID.name], value_set=eligible_parents(self._listing, named)["gid"]))
        )
        return pa.concat_arrays([others, childless[PARENT_GID.name].combine_chunks()])

    def _record_parent(self, answer: FetchEvent, pages: list[Page]) -> None:
        """Take down that a parent was asked to its end."""
        gid = answer.request.parent_gid
        self.stats.record_outcome(answer)
        if answer.outcome is Outcome.DELETED:
            self._checkpoint.deleted.append(gid)
        elif answer.outcome is not Outcome.FORBIDDEN:
            asked_at = pages[0].requested_at if pages else self._source.sync.started_at
            self._checkpoint.fetched.append((gid, answer.request.version, asked_at))
            self._found += [FetchedPage(page, gid) for page in pages]

    def _build(self) -> pa.RecordBatch | None:
        """Make rows of what was found; give them."""
        if not self._found:
            return None
        batch = self._builder.build(self._found, self.workspace_gid)
        self._found = []
        self._checkpoint.batches.append(batch)
        self._checkpoint.rows += batch.num_rows
        self.stats.add_rows(batch)
        return batch

    def _nested_asks(self, batch: pa.RecordBatch | None) -> Iterator[FetchRequest]:
        """Give the asks of the parents that are among new rows and due; one that was asked is not asked again."""
        if batch is None or not self.endpoint.recursive_listing:
            return
        rows = merge_parents([eligible_parents(self._listing, batch)])
        due = self._source.state.stale(rows, sync=self._source.sync, changed=pa.array(self._changed, pa.string()))
        for gid, version, is_due in zip(
            to_gid_list(rows["gid"]), to_gid_list(rows["version"]), due.to_pylist(), strict=True
        ):
            if is_due and gid not in self._asked:
                self._asked.add(gid)
                self.stats.parents += 1
                self.stats.parents_stale += 1
                yield listing_request(self._listing, gid, self.workspace_gid, version)

    def _store(self) -> Iterator[Checkpoint]:
        yield self._checkpoint
        self._checkpoint = Checkpoint()
