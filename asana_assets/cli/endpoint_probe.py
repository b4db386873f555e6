"""Tries each endpoint once in a workspace, to find what the token, the user's access or the plan keeps from a sync.

An endpoint that is listed by parent is requested for a parent that an earlier request listed. Nothing is stored.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from typing import Final

import msgspec

from asana_assets.asana.client import ApiRequest, Client
from asana_assets.asana.endpoints import TASK_SEARCH_PATH, WORKSPACES
from asana_assets.asana.errors import AsanaError, ForbiddenError, PermanentError, PlanLimitError, UnauthorizedError
from asana_assets.asana.model import GID, Endpoint, Listing
from asana_assets.asana.request_stats import RequestStats
from asana_assets.sync.parents import listing_request

MAX_FURTHER_REQUESTS: Final = 5
"""Requests per workspace beyond one for each endpoint, without retries."""

SEARCH: Final = "search"
"""The name of the plan's feature that finds changed tasks."""

_MAX_PARENTS = 3  # tried for one listing: a single one may be private, or have no children
_LIMIT = "10"  # records per listing, as candidates for parents
_FAR_FUTURE = {"modified_at.after": "2999-01-01T00:00:00Z"}  # a search that finds nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An endpoint, or a feature of the plan, that cannot be fetched.

    Attributes:
        name: The endpoint's name, or `SEARCH`.
        endpoint: The endpoint, None for `SEARCH`.
        error: The error of the last request; no request for the same listing succeeded.
        untried: The names of downstream endpoints that were not requested, because no parent was listed for them.
    """

    name: str
    endpoint: Endpoint | None
    error: AsanaError
    untried: Sequence[str] = ()

    @property
    def is_plan_limit(self) -> bool:
        """Whether the workspace's plan, or the kind of token, does not include it, so that there is nothing to fix."""
        needs_service_account = bool(self.endpoint and self.endpoint.listings[0].service_accounts_only)
        return isinstance(self.error, PlanLimitError) or (
            needs_service_account and isinstance(self.error, ForbiddenError)
        )

    @property
    def reason(self) -> str:
        """The HTTP status, or "failed" if there is none."""
        return str(self.error.status) if isinstance(self.error, PermanentError) else "failed"


class _Record(msgspec.Struct):
    gid: str


class _Page(msgspec.Struct):
    data: list[_Record]


@dataclass(slots=True, kw_only=True)
class EndpointProbe:
    """The requests to one workspace.

    Attributes:
        client: Sends the requests.
        endpoints: The endpoints to try, parents before children.
        workspace_gid: The workspace.
        is_organization: Whether it has teams.
    """

    client: Client
    endpoints: Sequence[Endpoint]
    workspace_gid: str
    is_organization: bool
    _requests: int = 0
    _requested: set[str] = field(default_factory=set[str])  # names of endpoints
    _gids: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # listed so far, by endpoint name

    def find_refusals(self) -> list[Refusal]:
        """Request search and each endpoint, parents before children; return those that cannot be fetched.

        Raises:
            UnauthorizedError: The token is rejected.
        """
        self._gids[WORKSPACES.name] = [self.workspace_gid]
        search = ApiRequest(template=TASK_SEARCH_PATH, values={"workspace": self.workspace_gid}, params=_FAR_FUTURE)
        searched = self._list(search)
        refused = [(SEARCH, None, searched)] if isinstance(searched, AsanaError) else []
        tried = ((endpoint, self._try(endpoint)) for endpoint in self.endpoints if endpoint is not WORKSPACES)
        refused += [(endpoint.name, endpoint, error) for endpoint, error in tried if error]
        return [
            Refusal(name=name, endpoint=endpoint, error=error, untried=self._untried(name))
            for name, endpoint, error in refused
        ]

    def _try(self, endpoint: Endpoint) -> AsanaError | None:
        """Request each of the endpoint's listings; return the error of one that fails for every parent."""
        refused: AsanaError | None = None
        for listings in _group_listings(endpoint):
            error: AsanaError | None = None
            for listing, parent in self._parents(listings):
                if self._requests >= len(self.endpoints) + MAX_FURTHER_REQUESTS:
                    break
                self._requested.add(endpoint.name)
                found = self._list(listing_request(listing, parent, self.workspace_gid).api_request)
                if isinstance(found, AsanaError):
                    error = found
                    continue
                error = None
                gids = self._gids.setdefault(endpoint.name, [])
                gids += found
                if gids or not self._has_only_children(endpoint):
                    break
            refused = error or refused
        return refused

    def _parents(self, listings: Sequence[Listing]) -> list[tuple[Listing, str]]:
        """Return the first parents of interchangeable listings, alternating between these."""
        by_listing = [
            [(listing, gid) for gid in self._gids.get(listing.parent.name, ())]
            for listing in listings
            if listing.parent is not None
            and (listing.parent is not WORKSPACES or not listing.only_if or self.is_organization)
        ]
        alternating = (parent for parents in zip_longest(*by_listing) for parent in parents if parent is not None)
        return list(islice(alternating, _MAX_PARENTS))

    def _list(self, request: ApiRequest) -> list[str] | AsanaError:
        """Return the first gids of a listing, or why it cannot be fetched.

        Raises:
            UnauthorizedError: The token is rejected.
        """
        self._requests += 1
        if request.paged and not request.single:
            request = replace(request, params={**request.params, "limit": _LIMIT})
        try:
            page = next(
                self.client.iter_pages(request, opt_fields=GID.name, stats=RequestStats(), stop=threading.Event())
            )
            return [record.gid for record in msgspec.json.decode(page.body, type=_Page).data]
        except UnauthorizedError:
            raise
        except AsanaError as error:
            return error
        except msgspec.ValidationError:
            return []  # a record without a gid; the listing can be fetched

    def _has_only_children(self, endpoint: Endpoint) -> bool:
        """Return whether another endpoint has no parents but this one's records."""
        others = [other for other in self.endpoints if other is not endpoint]
        return any(set(other.upstream) == {endpoint.name} for other in others)

    def _untried(self, name: str) -> list[str]:
        return [
            endpoint.name
            for endpoint in self.endpoints
            if endpoint.name not in self._requested and name in endpoint.ancestors
        ]


def _group_listings(endpoint: Endpoint) -> list[list[Listing]]:
    """Return the endpoint's listings by request: those of one group differ in their parents only."""
    groups: dict[tuple[str, ...], list[Listing]] = {}
    for listing in endpoint.listings:
        if listing.parent_column == GID.name:
            groups.setdefault((listing.path, *listing.params), []).append(listing)
    return list(groups.values())
