"""What of a workspace is synced: fields that the Asana resource inherits."""

from typing import Literal

import dagster as dg
from pydantic import Field

from asana_assets.asana.project_filter import ProjectFilter


class Choices(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] - its value is itself
    """The projects to sync."""

    projects: list[str] = Field(
        default_factory=list[str],
        description="The gids or exact names of the projects to sync. If this and `teams` are empty, all are synced.",
    )
    teams: list[str] = Field(
        default_factory=list[str],
        description="The gids or exact names of teams whose projects are synced, in addition to `projects`.",
    )
    exclude_projects: list[str] = Field(
        default_factory=list[str],
        description="The gids or exact names of projects that are not synced in any case.",
    )
    archived_projects: Literal["include", "exclude"] = Field(
        default="include", description="Whether archived projects are synced."
    )

    @property
    def project_filter(self) -> ProjectFilter:
        """The choice of projects."""
        return ProjectFilter(
            projects=tuple(self.projects),
            teams=tuple(self.teams),
            exclude_projects=tuple(self.exclude_projects),
            exclude_archived=self.archived_projects == "exclude",
        )
