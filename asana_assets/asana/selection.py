"""The choice of endpoints to sync."""

from collections.abc import Iterable
from dataclasses import replace

from asana_assets.asana.endpoints import ENDPOINTS, STANDARD_ENDPOINTS, WORKSPACES
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.model import Endpoint

STANDARD = "standard"
"""Stands for the standard endpoints."""
ALL = "all"
"""Stands for every endpoint."""

_STANDARD_NAMES = frozenset(endpoint.name for endpoint in STANDARD_ENDPOINTS)


def further_endpoints() -> list[Endpoint]:
    """Return the endpoints that are not standard."""
    return [endpoint for endpoint in ENDPOINTS if endpoint.name not in _STANDARD_NAMES]


def select_endpoints(selected: Iterable[str] = (STANDARD,), *, setting: str = "endpoints") -> tuple[Endpoint, ...]:
    """Return the chosen endpoints and those that they are listed by, parents before children.

    Listings by an endpoint that is not chosen are left out, so that choosing `status_updates` does not choose
    `portfolios`. Standard endpoints are chosen with what they list, and so are those of an endpoint that no chosen one
    lists.

    Args:
        selected: Names of endpoints, `standard` and `all`.
        setting: What holds `selected`, for the error message.

    Raises:
        ConfigurationError: There is no such endpoint.
    """
    chosen = _resolve(selected, setting)
    for endpoint in reversed(ENDPOINTS):
        if endpoint.name in chosen:
            chosen |= _required_parents(endpoint, chosen)
    return tuple(_without_unchosen(endpoint, chosen) for endpoint in ENDPOINTS if endpoint.name in chosen)


def _resolve(selected: Iterable[str], setting: str) -> set[str]:
    names = set(selected)
    groups = {STANDARD: _STANDARD_NAMES, ALL: {endpoint.name for endpoint in ENDPOINTS}}
    chosen = {WORKSPACES.name}.union(*(groups.get(name, {name}) for name in names))
    if unknown := sorted(chosen - groups[ALL]):
        standard, further = sorted(_STANDARD_NAMES), sorted(groups[ALL] - _STANDARD_NAMES)
        raise ConfigurationError(
            f"{setting} names {', '.join(unknown)}; there are {STANDARD} ({', '.join(standard)}), {ALL} and, of those "
            f"that are not standard, {', '.join(further) or 'none'}"
        )
    return chosen


def _required_parents(endpoint: Endpoint, chosen: set[str]) -> set[str]:
    parents = {listing.parent.name for listing in endpoint.listings if listing.parent}
    return parents & _STANDARD_NAMES if parents & (chosen | _STANDARD_NAMES) else parents


def _without_unchosen(endpoint: Endpoint, chosen: set[str]) -> Endpoint:
    listings = tuple(one for one in endpoint.listings if one.parent is None or one.parent.name in chosen)
    return endpoint if listings == endpoint.listings else replace(endpoint, listings=listings)
