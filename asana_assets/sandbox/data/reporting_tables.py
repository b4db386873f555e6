"""The rows of portfolios, goals and what belongs to them, and the requests that they take at least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.model import Object
from asana_assets.sandbox.data.pages import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asana_assets.sandbox.data.store import Store


def _on_plan(store: Store, workspace_gid: str, kind: str) -> list[Object]:
    if workspace_gid not in store.paid_workspaces:
        return []
    return list(store.workspace_objects(workspace_gid, kind).values())


def _portfolios(store: Store, workspace_gid: str) -> list[Object]:
    return store.portfolios(workspace_gid) if workspace_gid in store.paid_workspaces else []


def _goals(store: Store, workspace_gid: str) -> list[Object]:
    return _on_plan(store, workspace_gid, "goal")


def _portfolio_items(store: Store, workspace_gid: str) -> Iterable[Object]:
    """Yield a row for each pair of portfolio and item, whose gid is that of both."""
    for portfolio in _portfolios(store, workspace_gid):
        for item in store.items_of_portfolio(portfolio.gid):
            fields = {"name": item.fields["name"], "item": item, "parent": portfolio}
            yield Object(f"{portfolio.gid}-{item.gid}", item.kind, workspace_gid, 0, fields)


def _memberships(store: Store, workspace_gid: str) -> dict[str, list[Object]]:
    return {one.gid: store.belongings["membership", one.gid] for one in _portfolios(store, workspace_gid)}


def _children(parents: list[Object], children: dict[str, list[Object]]) -> Iterable[Object]:
    return (child for parent in parents for child in children[parent.gid])


def _requests(parents: list[Object], children: dict[str, list[Object]]) -> int:
    return sum(pages(len(children[parent.gid])) for parent in parents)


OBJECTS: dict[str, Callable[[Store, str], Iterable[Object]]] = {
    "portfolios": _portfolios,
    "portfolio_items": _portfolio_items,
    "portfolio_memberships": lambda store, gid: _children(_portfolios(store, gid), _memberships(store, gid)),
    "time_periods": lambda store, gid: _on_plan(store, gid, "time_period"),
    "goals": _goals,
    "goal_relationships": lambda store, gid: _children(_goals(store, gid), store.goal_relationships),
}
"""By endpoint."""
REQUESTS: dict[str, Callable[[Store, str], int]] = {
    "portfolios": lambda store, gid: pages(len(_portfolios(store, gid))),
    "portfolio_items": lambda store, gid: _requests(
        _portfolios(store, gid), {one.gid: store.items_of_portfolio(one.gid) for one in _portfolios(store, gid)}
    ),
    "portfolio_memberships": lambda store, gid: _requests(_portfolios(store, gid), _memberships(store, gid)),
    "time_periods": lambda store, gid: pages(len(_on_plan(store, gid, "time_period"))),
    "goals": lambda store, gid: pages(len(_goals(store, gid))),
    "goal_relationships": lambda store, gid: _requests(_goals(store, gid), store.goal_relationships),
}
"""By endpoint; a listing that is not on the plan takes one request."""
ADDITIONAL_OBJECTS: dict[tuple[str, str], Callable[[Store, str], Iterable[Object]]] = {
    ("status_updates", "portfolios"): lambda store, gid: _children(_portfolios(store, gid), store.status_updates),
    ("status_updates", "goals"): lambda store, gid: _children(_goals(store, gid), store.status_updates),
    ("stories", "goals"): lambda store, gid: _children(_goals(store, gid), store.stories),
}
"""By endpoint and another one: the objects of the former that are listed by the latter."""
ADDITIONAL_REQUESTS: dict[tuple[str, str], Callable[[Store, str], int]] = {
    ("status_updates", "portfolios"): lambda store, gid: _requests(_portfolios(store, gid), store.status_updates),
    ("status_updates", "goals"): lambda store, gid: _requests(_goals(store, gid), store.status_updates),
    ("stories", "goals"): lambda store, gid: _requests(_goals(store, gid), store.stories),
}
"""By endpoint and another one: the requests for the former that the latter adds."""
