"""The generated organization: the same seed and scale always result in the same gids, names and instants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.builder import Builder
from asana_assets.sandbox.data.customization_work import add_customization
from asana_assets.sandbox.data.edge_cases import add_edge_cases
from asana_assets.sandbox.data.ordinary_work import add_ordinary_work
from asana_assets.sandbox.data.organization import Organization
from asana_assets.sandbox.data.recorded_streams import add_streams
from asana_assets.sandbox.data.reporting_work import add_reporting
from asana_assets.sandbox.data.resourcing_work import add_resourcing
from asana_assets.sandbox.data.scale import resolve_scale
from asana_assets.sandbox.data.small_workspaces import add_small_workspaces

if TYPE_CHECKING:
    from asana_assets.sandbox.data.reporting_work import add_reporting
from asana_assets.sandbox.data.scale import Scale

_FIXED_MEMBERS = 3  # the token's user, and two that the edge cases add


def build_organization(*, seed: int = 1, scale: str | Scale = "tiny", **overrides: float) -> Organization:
    """Build what one token can access: a paid workspace of the given scale, a free one and a personal one.

    Raises:
        ValueError: There is no scale of this name.
    """
    scale = resolve_scale(scale, **overrides)
    organization = Organization(seed)
    builder = Builder(organization)
    paid = organization.new_workspace("Catnip & Co.", organization=True, paid=True, domains=("example.com",))
    organization.edge_cases["paid_organization"] = paid.gid
    organization.me = builder.add_member(paid, "Token Owner", admin=True)
    organization.edge_cases["me"] = organization.me.gid
    for _ in range(scale.users - _FIXED_MEMBERS):
        builder.add_member(paid, builder.person_name(), builder.random_hours())
    add_edge_cases(builder, paid)
    add_ordinary_work(builder, paid, scale)
    if scale.small_workspaces:
        add_small_workspaces(builder)
    add_reporting(builder, paid)
    add_customization(builder, paid)
    add_resourcing(builder, paid)
    add_streams(builder, paid)
    organization.mark_changed()
    return organization
