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
from asana_assets.asana.columns import Array
from asana_assets.asana.endpoint import GID, PARENT_GID
from asana_assets.sync.asking import Ask, Parents, ask, choose_parents, eligible, gids_of, once_each
from asana_assets.sync.due import Memory, Sync
from asana_assets.sync.fan import Answer, Fan, Outcome
from asana_assets.sync.reading import BATCH_ROWS, Report, Source
from asana_assets.sync.rows import Found, RowBuilder


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

    read: list[tuple[str, str, dt.datetime]] = field(default_factory=list[tuple[str, str, dt.datetime]])
    gone: list[str] = field(default_factory=list[str])
    batches: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])
    rows: int = 0
    last: Sync | None = None

    def memory(self, workspace_gid: str) -> pa.Table:
        """Give what is to be remembered once the rows are stored."""
        gids, texts, instants = zip(*self.read, strict=True) if self.read else ((), (), ())
        read = Memory.rows(
            pa.array(gids, pa.string()), pa.array(texts, pa.string()), pa.array(instants, pa.timestamp("us", tz="UTC"))
        )
        return pa.concat_tables([read, Memory.ended(workspace_gid, self.last)]) if self.last else read

    @property
    def parents(self) -> Array:
        """The gids whose rows this replaces."""
        return pa.array([*(gid for gid, _, _ in self.read), *self.gone], pa.string())


class _Gid(msgspec.Struct):
    gid: str


class _Hit(msgspec.Struct):
    gid: str
    modified_at: dt.datetime | None = None
    parent: _Gid | None = None


class _Hits(msgspec.Struct):
    data: list[_Hit]


class ChildReading:
    """The children of one workspace, read while `checkpoints` is iterated; `report` fills meanwhile. Iterate once.

    `data_version`, from `begin` on, is another if a parent's version is, or a search finds something changed.
    """

    def __init__(self, source: Source, *, checkpoint_rows: int = 50_000, checkpoint_seconds: float = 300.0) -> None:
        """Find the parents; ask nothing yet.

        Args:
            source: What to read from.
            checkpoint_rows: A checkpoint is given when it has so many rows and parents,
            checkpoint_seconds: or when so much time has passed since the last.
        """
        self.endpoint = source.endpoint
        self.workspace_gid = source.workspace_gid
        self.previous = source.previous
        self.report = Report()
        self._source = source
        self._limits = checkpoint_rows, checkpoint_seconds
        self._builder = RowBuilder(source.endpoint)
        [(self._listing, self._parents)] = choose_parents(source.endpoint, source.workspace_gid, source.upstream).groups
        self._checkpoint = Checkpoint()
        self._found: list[Found] = []
        self._changed: set[str] = set()
        self._asked: set[str] = set()
        self._begun: Fan | None = None
        self.data_version = ""

    def begin(self) -> Fan:
        """Find out who is due and start asking, a bounded number of pages ahead; call `close` if nobody reads them.

        Raises:
            AsanaError: what changed could not be searched.
        """
        if self._begun:
            return self._begun
        parents, changed = self._parents, pa.array([], pa.string())
        if self.endpoint.nested:
            known = self._source.previous.columns(self.columns)
            parents = once_each([parents, self._nested(known)])
            changed = self._find_changed(known)
            self._changed = set(gids_of(changed))
        due = parents.filter(self._source.memory.due(parents, sync=self._source.sync, changed=changed))
        if self.endpoint.nested:
            self._asked = set(gids_of(due["gid"]))
        self.report.parents, self.report.parents_due = parents.num_rows, due.num_rows
        self.report.resumed = self._source.memory.read_since(self._source.sync.began)
        self.data_version = self._version(parents)
        self._begun = Fan(self._source.client, opt_fields=self.endpoint.opt_fields, usage=self.report.usage)
        self._begun.begin(Parents(self.workspace_gid, ((self._listing, due),)).asks())
        return self._begun

    def _version(self, parents: pa.Table) -> str:
        """Name what the rows will be by the versions of all parents, so that it stays while these do."""
        digest = hashlib.sha256()
        for batch in parents.combine_chunks().to_batches():
            digest.update(batch.serialize())
        if self._changed:  # of which the parents' versions do not tell
            digest.update(self._source.sync.id.encode())
        return digest.hexdigest()[:16]

    @property
    def all_asked(self) -> bool:
        """Whether what was begun has nobody more to ask."""
        return self._begun is None or self._begun.all_asked

    def close(self) -> None:
        """Stop asking."""
        if self._begun:
            self._begun.close()

    def checkpoints(self) -> Generator[Checkpoint]:
        """Read what is due. A checkpoint counts as stored when the next one is asked for; the last has `last`.

        Raises:
            AsanaError: not all could be read; what could is in the checkpoints given and in `rest`.
        """
        fan = self.begin()
        rows_at_most, seconds_at_most = self._limits
        pages: dict[str, list[Page]] = {}
        waiting = 0
        began = time.monotonic()
        with closing(fan.answers()) as answers:
            for answer in answers:
                if answer.page is not None:
                    pages.setdefault(answer.ask.parent_gid, []).append(answer.page)
                    continue
                ended = pages.pop(answer.ask.parent_gid, [])
                self._take(answer, ended)
                waiting += sum(page.count for page in ended)
                size = waiting + self._checkpoint.rows + len(self._checkpoint.read)
                full = size >= rows_at_most or time.monotonic() - began >= seconds_at_most
                if full or waiting >= BATCH_ROWS or (self.endpoint.nested and fan.idle):
                    waiting = 0
                    fan.add(self._nested_asks(self._build()))
                if full:
                    yield from self._store()
                    began = time.monotonic()
        self._build()
        self._checkpoint.last = self._source.sync
        yield from self._store()

    def rest(self) -> Checkpoint:
        """Give what was read and is not known to be stored; for when `checkpoints` was broken off."""
        self._build()
        return self._checkpoint

    def vanished(self, known: pa.Table) -> tuple[Array, Array]:
        """Give the parents whose rows are stored, and those that are remembered, though they are none any more.

        Args:
            known: Of every row stored by now, the columns that `columns` names.
        """
        valid = self._parents["gid"].combine_chunks()
        if self.endpoint.nested:
            valid = pa.concat_arrays([valid, *self._nested(known)["gid"].chunks])
        stored = pc.unique(known[PARENT_GID.name].combine_chunks())
        stored = stored.filter(pc.invert(pc.is_in(stored, value_set=valid)))
        return stored, self._source.memory.others(valid)

    def orphans(self, stored: pa.Table) -> Array:
        """Give the parents that stored rows name and that are none; of each row, the columns that `columns` names."""
        parents, _ = self.vanished(stored)
        return parents

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the endpoint's own rows that tell what is known."""
        own = (self._listing.where, *(self._listing.version or ())) if self.endpoint.nested else ()
        return tuple(dict.fromkeys((GID.name, PARENT_GID.name, *(column for column in own if column))))

    def _nested(self, known: pa.Table) -> pa.Table:
        """Give the parents among the known rows, those that can still be come by from above."""
        reached = self._parents
        levels = [self._parents.slice(0, 0)]
        while known.num_rows and reached.num_rows:
            below = pc.is_in(known[PARENT_GID.name], value_set=reached["gid"].combine_chunks())
            reached = eligible(self._listing, known.filter(below))
            known = known.filter(pc.invert(below))
            levels.append(reached)
        return pa.concat_tables(levels)

    def _find_changed(self, known: pa.Table) -> Array:
        """Give the parents of those children that a search finds changed: other than they are known."""
        if not self.endpoint.search or self._source.sync.full:
            return pa.array([], pa.string())
        pages = self._source.search.changed_since(
            self.endpoint.search,
            self.workspace_gid,
            self._source.memory.last_sync,
            opt_fields="created_at,modified_at,parent",
            usage=self.report.usage,
        )
        hits = [hit for page in pages or () for hit in msgspec.json.decode(page.body, type=_Hits).data]
        gids = pa.array([hit.gid for hit in hits], pa.string())
        ours = known.filter(pc.is_in(known[GID.name], value_set=gids))
        as_known = dict(zip(gids_of(ours[GID.name]), ours["modified_at"].to_pylist(), strict=True))
        others = pa.array(
            [hit.parent.gid for hit in hits if hit.parent and as_known.get(hit.gid) != hit.modified_at], pa.string()
        )
        # A first child does not modify its parent. If that is a row of ours, it is read again, with those beside it:
        # then it is known to have children, and is asked.
        named = known.filter(pc.is_in(known[GID.name], value_set=others))
        childless = named.filter(pc.invert(pc.is_in(named[GID.name], value_set=eligible(self._listing, named)["gid"])))
        return pa.concat_arrays([others, childless[PARENT_GID.name].combine_chunks()])

    def _take(self, answer: Answer, pages: list[Page]) -> None:
        """Take down that a parent was asked to its end."""
        gid = answer.ask.parent_gid
        self.report.note(answer)
        if answer.outcome is Outcome.GONE:
            self._checkpoint.gone.append(gid)
        elif answer.outcome is not Outcome.FORBIDDEN:
            asked_at = pages[0].asked_at if pages else self._source.sync.began
            self._checkpoint.read.append((gid, answer.ask.version, asked_at))
            self._found += [Found(page, gid) for page in pages]

    def _build(self) -> pa.RecordBatch | None:
        """Make rows of what was found; give them."""
        if not self._found:
            return None
        batch = self._builder.build(self._found, self.workspace_gid)
        self._found = []
        self._checkpoint.batches.append(batch)
        self._checkpoint.rows += batch.num_rows
        self.report.count(batch)
        return batch

    def _nested_asks(self, batch: pa.RecordBatch | None) -> Iterator[Ask]:
        """Give the asks of the parents that are among new rows and due; one that was asked is not asked again."""
        if batch is None or not self.endpoint.nested:
            return
        rows = once_each([eligible(self._listing, batch)])
        due = self._source.memory.due(rows, sync=self._source.sync, changed=pa.array(self._changed, pa.string()))
        for gid, version, is_due in zip(gids_of(rows["gid"]), gids_of(rows["version"]), due.to_pylist(), strict=True):
            if is_due and gid not in self._asked:
                self._asked.add(gid)
                self.report.parents += 1
                self.report.parents_due += 1
                yield ask(self._listing, gid, self.workspace_gid, version)

    def _store(self) -> Iterator[Checkpoint]:
        yield self._checkpoint
        self._checkpoint = Checkpoint()
