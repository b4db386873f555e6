"""What of a workspace is synced: fields that the Asana resource inherits."""

from typing import Literal

import dagster as dg
from pydantic import Field

from asana_assets.asana.column_choice import ColumnChoice, choose_columns
from asana_assets.asana.project_filter import ProjectFilter


class Choices(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] - its value is itself
    """The projects and columns to sync."""

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

    omit_columns: list[str] = Field(
        default_factory=list[str],
        description="Columns, such as users.email, whose values are never requested; they are null.",
    )
    hash_columns: list[str] = Field(
        default_factory=list[str],
        description="Columns of texts, such as stories.text, of which only keyed hashes (HMAC-SHA256) are stored.",
    )
    hash_secret: str | None = Field(
        default=None, repr=False, description="The secret of these hashes, required if there are any."
    )

    @property
    def column_choice(self) -> ColumnChoice:
        """The choice of columns.

        Raises:
            ConfigurationError: A column cannot be omitted or hashed, or there is no secret.
        """
        needed = {name: row_filter.columns for name, row_filter in self.project_filter.by_endpoint.items()}
        return choose_columns(self.omit_columns, self.hash_columns, self.hash_secret, needed=needed)

    @property
    def project_filter(self) -> ProjectFilter:
        """The choice of projects."""
        return ProjectFilter(
            projects=tuple(self.projects),
            teams=tuple(self.teams),
            exclude_projects=tuple(self.exclude_projects),
            exclude_archived=self.archived_projects == "exclude",
        )
