"""The rows of portfolios, goals and what belongs to them, and the requests that they take at least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.pages import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.store import Store


def _on_plan(store: Store, workspace_gid: str, kind: str) -> list[Object]:
    if workspace_gid not in store.paid_workspaces:
        return []
    return list(store.workspace_objects(workspace_gid, kind).values())


def _requests(parents: list[Object], children: dict[str, list[Object]]) -> int:
    return sum(pages(len(children[parent.gid])) for parent in parents)


def _portfolios(store: Store, workspace_gid: str) -> list[Object]:
    return store.portfolios(workspace_gid) if workspace_gid in store.paid_workspaces else []


def _goals(store: Store, workspace_gid: str) -> list[Object]:
    return _on_plan(store, workspace_gid, "goal")


def _status_updates(store: Store, parents: list[Object]) -> Iterable[Object]:
    return (update for parent in parents for update in store.status_updates[parent.gid])


OBJECTS: dict[str, Callable[[Store, str], Iterable[Object]]] = {
    "portfolios": _portfolios,
    "time_periods": lambda store, gid: _on_plan(store, gid, "time_period"),
    "goals": _goals,
}
"""By endpoint."""
REQUESTS: dict[str, Callable[[Store, str], int]] = {
    "portfolios": lambda store, gid: pages(len(_portfolios(store, gid))),
    "time_periods": lambda store, gid: pages(len(_on_plan(store, gid, "time_period"))),
    "goals": lambda store, gid: pages(len(_goals(store, gid))),
}
"""By endpoint; a listing that is not on the plan takes one request."""
ADDITIONAL_OBJECTS: dict[tuple[str, str], Callable[[Store, str], Iterable[Object]]] = {
    ("status_updates", "portfolios"): lambda store, gid: _status_updates(store, _portfolios(store, gid)),
    ("status_updates", "goals"): lambda store, gid: _status_updates(store, _goals(store, gid)),
}
"""By endpoint and another one: the objects of the former that are listed by the latter."""
ADDITIONAL_REQUESTS: dict[tuple[str, str], Callable[[Store, str], int]] = {
    ("status_updates", "portfolios"): lambda store, gid: _requests(_portfolios(store, gid), store.status_updates),
    ("status_updates", "goals"): lambda store, gid: _requests(_goals(store, gid), store.status_updates),
}
