"""The order of the steps of a run, and which endpoints their dependents can do without. Pure functions."""

from collections.abc import Sequence

from asana_assets.asana.model import Endpoint


def optional_upstream(endpoints: Sequence[Endpoint]) -> set[str]:
    """Return the names of the endpoints that all of their dependents among `endpoints` can do without."""
    listings = [listing for endpoint in endpoints for listing in endpoint.listings if listing.parent]
    required = {listing.parent.name for listing in listings if listing.parent and not listing.is_optional}
    return {listing.parent.name for listing in listings if listing.parent} - required


def _downstream_depth(name: str, endpoints: Sequence[Endpoint]) -> int:
    dependents = (other.name for other in endpoints if name in other.upstream)
    return max((1 + _downstream_depth(other, endpoints) for other in dependents), default=0)


def _upstream_depth(endpoint: Endpoint, endpoints: Sequence[Endpoint]) -> int:
    upstream = (other for other in endpoints if other.name in endpoint.upstream)
    return max((1 + _upstream_depth(other, endpoints) for other in upstream), default=0)


def step_priority(endpoint: Endpoint, endpoints: Sequence[Endpoint]) -> int:
    """Return the priority of the step of one of the endpoints.

    Steps with the longest downstream chain run first. Among leaves, the deepest run last: they take longest.
    """
    return 10 * _downstream_depth(endpoint.name, endpoints) - _upstream_depth(endpoint, endpoints)


def step_order(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Return the endpoints in the order in which Dagster executes a run's steps."""
    return sorted(endpoints, key=lambda endpoint: (-step_priority(endpoint, endpoints), endpoint.name))
