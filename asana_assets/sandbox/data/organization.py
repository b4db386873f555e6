"""The organization: everything behind one access token, and every change that can happen to it."""

from __future__ import annotations

from asana_assets.sandbox.data.customization_changes import CustomizationChanges
from asana_assets.sandbox.data.people_changes import PeopleChanges
from asana_assets.sandbox.data.project_changes import ProjectChanges
from asana_assets.sandbox.data.relation_changes import RelationChanges
from asana_assets.sandbox.data.reporting_changes import ReportingChanges
from asana_assets.sandbox.data.resourcing_changes import ResourcingChanges
from asana_assets.sandbox.data.streams_changes import StreamChanges


class Organization(
    CustomizationChanges,
    ProjectChanges,
    RelationChanges,
    PeopleChanges,
    ReportingChanges,
    ResourcingChanges,
    StreamChanges,
):
    """All workspaces of one token and their contents. Thread-safe: every change holds `lock`.

    Attributes:
        edge_cases: Gids of the objects that break naive syncs, by name.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.edge_cases: dict[str, str] = {}
