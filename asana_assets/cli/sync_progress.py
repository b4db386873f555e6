"""What the progress displays of `sync` have in common: where the sync is, and how long the rest of it takes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import Endpoint
from asana_assets.defs.progress import NullProgress, ProgressReporter, RequestRate, TrackedExtract


class SyncProgress(ProgressReporter, Protocol):
    """A display of a whole sync, one workspace after another."""

    def start_workspace(self, name: str, endpoints: Sequence[Endpoint], never_synced: Collection[str]) -> None:
        """Note that a workspace's sync starts.

        Args:
            name: The workspace's name.
            endpoints: What is synced in it.
            never_synced: The names of those of the endpoints whose parents are all fetched.
        """
        ...

    def finish_workspace(self) -> None:
        """Note that the workspace's sync has ended, completed or not."""
        ...

    def note(self, message: str) -> None:
        """Display a message."""
        ...


class QuietProgress(NullProgress):
    """Displays nothing."""

    def start_workspace(self, name: str, endpoints: Sequence[Endpoint], never_synced: Collection[str]) -> None:
        pass

    def finish_workspace(self) -> None:
        pass

    def note(self, message: str) -> None:
        pass


@dataclass(slots=True)
class SyncPosition:
    """Where a sync is.

    Attributes:
        workspace: The name of the workspace that is being synced; "" while the list of workspaces is.
        number: Which of the workspace's assets is being synced, counted from 1.
        total: How many assets are synced in the workspace.
        outlook: The requests of the assets that follow.
    """

    workspace: str = ""
    number: int = 0
    total: int = 1
    outlook: "Outlook" = field(default_factory=lambda: Outlook({}, frozenset()))

    def start_workspace(self, name: str, endpoints: Sequence[Endpoint], never_synced: Collection[str]) -> None:
        self.workspace, self.number, self.total = name, 0, len(endpoints)
        self.outlook = Outlook({endpoint.name: endpoint for endpoint in endpoints}, never_synced)

    def start_asset(self, endpoint: Endpoint) -> None:
        self.number += 1
        self.outlook.pending.pop(endpoint.name, None)

    def finish_asset(self, extract: TrackedExtract) -> None:
        self.outlook.rows[extract.endpoint.name] = extract.stats.rows

    def seconds_left(self, request_rate: RequestRate) -> float | None:
        """Return the remaining time of the workspace at the current rate, None if it is unknown."""
        if not self.workspace:
            return None
        current, following = request_rate.requests_left, self.outlook.requests()
        if current is None or following is None or not request_rate.rate:
            return None
        return (current + following) / request_rate.rate


@dataclass(slots=True)
class Outlook:
    """The requests of assets that were not started, as far as they are known without requesting or reading anything.

    Attributes:
        pending: The endpoints of these assets, by name.
        never_synced: The names of endpoints whose parents are all fetched, because none was before.
        rows: The rows of each finished asset, which are the parents of others.
    """

    pending: dict[str, Endpoint]
    never_synced: Collection[str]
    rows: dict[str, int] = field(default_factory=dict[str, int])

    def requests(self) -> int | None:
        """Return how many requests follow if each parent takes one, None if that is unknown."""
        counts = [self._requests_of(endpoint, self.rows) for endpoint in self.pending.values()]
        return None if None in counts else sum(count or 0 for count in counts)

    def _requests_of(self, endpoint: Endpoint, rows: Mapping[str, int]) -> int | None:
        requests = 0
        for listing in endpoint.listings:
            if listing.parent is WORKSPACES:
                requests += 1
                continue
            if listing.recursive or listing.parent is None or listing.parent.name not in rows:
                return None
            if listing.version_columns is not None and endpoint.name not in self.never_synced:
                return None  # how many parents have changed is known only when the asset starts
            requests += rows[listing.parent.name]
        return requests
