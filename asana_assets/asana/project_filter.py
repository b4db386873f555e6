"""The choice of projects to sync: by gid, by name, by team, or without archived ones.

A text of digits is a gid, any other one an exact name. Names are looked up in what is listed anyway; only team names,
and texts that match nothing, take requests of their own.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa

from asana_assets.asana.client import Client, RequestStats
from asana_assets.asana.endpoints import PROJECTS, TEAMS
from asana_assets.asana.errors import BadRequestError, ConfigurationError, NotFoundError
from asana_assets.asana.field_types import Array
from asana_assets.asana.listing_requests import listing_api_request
from asana_assets.asana.model import GID, Endpoint

PROJECTS_SETTING = "ASANA_PROJECTS"
TEAMS_SETTING = "ASANA_TEAMS"
EXCLUDED_SETTING = "ASANA_EXCLUDE_PROJECTS"

_MAX_LISTED = 10  # in an error message
_NAME, _TEAM, _ARCHIVED = "name", "team_gid", "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFilter:
    """Which projects are synced; a row filter of the endpoint `projects`.

    Attributes:
        projects: Gids or names of projects to sync; if this and `teams` are empty, all are.
        teams: Gids or names of teams whose projects are synced as well.
        exclude_projects: Gids or names of projects that are not synced in any case.
        exclude_archived: Whether archived projects are not synced in any case.
    """

    projects: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    exclude_projects: tuple[str, ...] = ()
    exclude_archived: bool = False

    @property
    def by_endpoint(self) -> Mapping[str, "ProjectFilter"]:
        """The filter by the name of its endpoint; empty if it excludes nothing."""
        excludes = self.projects or self.teams or self.exclude_projects or self.exclude_archived
        return {PROJECTS.name: self} if excludes else {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the rows that `mask` needs."""
        names = (_NAME,) if any(not text.isdigit() for text in (*self.projects, *self.exclude_projects)) else ()
        return (*names, *((_TEAM,) if self.teams else ()), *((_ARCHIVED,) if self.exclude_archived else ()))

    def start(self, client: Client, workspace_gids: Sequence[str], stats: RequestStats) -> "ProjectSelection":
        """Return the state of filtering one listing. Sends no request.

        Args:
            client: Sends the requests that names take.
            workspace_gids: The workspace, followed by the others that are synced.
            stats: Receives their cost.
        """
        return ProjectSelection(self, client, workspace_gids, stats)


class _Named(msgspec.Struct):
    gid: str
    name: str | None = None


class _Page(msgspec.Struct):
    data: list[_Named]


@dataclass(slots=True)
class _Matches:
    """What the texts of one setting stand for, as far as it has been listed."""

    setting: str
    texts: tuple[str, ...]
    gids: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])  # by text

    def add(self, gids: Iterable[str], names: Iterable[str | None]) -> set[str]:
        """Return those of the listed objects that the setting stands for."""
        wanted = set(self.texts)
        found: set[str] = set()
        for gid, name in zip(gids, names, strict=True):
            text = gid if gid in wanted else name
            if text in wanted and (text == gid or not text.isdigit()):
                self.gids.setdefault(text, {})[gid] = None
                found.add(gid)
        return found

    def check_unambiguous(self, kind: str) -> None:
        """Raise ConfigurationError if a name is that of several objects."""
        for text, gids in self.gids.items():
            if len(gids) > 1:
                raise ConfigurationError(
                    f"{self.setting} names {text}, but {len(gids)} {kind} of the workspace have that name: use gids "
                    f"({', '.join(islice(gids, _MAX_LISTED))})"
                )

    def missing(self) -> list[str]:
        return [text for text in self.texts if text not in self.gids]


class ProjectSelection:
    """The projects of one listing that a filter includes. Single use."""

    def __init__(
        self, choice: ProjectFilter, client: Client, workspace_gids: Sequence[str], stats: RequestStats
    ) -> None:
        self._choice = choice
        self._client = client
        self._workspace_gid, *self._others = workspace_gids
        self._stats = stats
        self._projects = _Matches(PROJECTS_SETTING, choice.projects)
        self._excluded = _Matches(EXCLUDED_SETTING, choice.exclude_projects)
        self._teams = _Matches(TEAMS_SETTING, choice.teams)
        self._team_gids: set[str] | None = None
        self._listed_teams: set[str | None] = set()
        self._visible: dict[str, str | None] = {}
        self._visible_teams: dict[str, str] = {}

    def mask(self, rows: pa.RecordBatch | pa.Table) -> Array:
        """Return a boolean mask of the rows to store; called once or more for the rows of a listing."""
        choice = self._choice
        gids = [str(gid) for gid in rows[GID.name].to_pylist()]
        names = _values(rows, _NAME, choice.columns)
        team_gids = _values(rows, _TEAM, choice.columns)
        archived = _values(rows, _ARCHIVED, choice.columns)
        self._visible |= islice(zip(gids, names, strict=True), max(0, _MAX_LISTED - len(self._visible)))
        chosen = self._projects.add(gids, names)
        excluded = self._excluded.add(gids, names)
        self._listed_teams.update(team_gids)
        teams = self._chosen_teams()
        has_choice = bool(choice.projects or choice.teams)
        return pa.array(
            [
                gid not in excluded and not is_archived and (not has_choice or gid in chosen or team_gid in teams)
                for gid, team_gid, is_archived in zip(gids, team_gids, archived, strict=True)
            ],
            pa.bool_(),
        )

    def verify(self) -> None:
        """Check, after the last rows, that every text stands for one object.

        A text that matches nothing may be meant for another workspace; an unknown gid to exclude does no harm.

        Raises:
            ConfigurationError: A text matches nothing in any workspace, or several objects have that name.
        """
        self._projects.check_unambiguous("projects")
        self._excluded.check_unambiguous("projects")
        unknown = {
            PROJECTS_SETTING: self._projects.missing(),
            EXCLUDED_SETTING: [text for text in self._excluded.missing() if not text.isdigit()],
        }
        if any(unknown.values()):
            self._visible |= dict(islice(self._list(PROJECTS, self._workspace_gid), _MAX_LISTED))
            self._check_known(unknown, PROJECTS, self._visible)
        if missing_teams := [text for text in self._teams.missing() if text not in self._listed_teams]:
            self._visible_teams |= dict(self._list(TEAMS, self._workspace_gid))
            unknown = {TEAMS_SETTING: [text for text in missing_teams if text not in self._visible_teams]}
            self._check_known(unknown, TEAMS, self._visible_teams)

    def _chosen_teams(self) -> set[str]:
        """Return the gids of the teams, whose names take one listing."""
        if self._team_gids is None:
            self._team_gids = {text for text in self._choice.teams if text.isdigit()}
            if len(self._team_gids) < len(set(self._choice.teams)):
                self._visible_teams = dict(self._list(TEAMS, self._workspace_gid))
                self._team_gids |= self._teams.add(self._visible_teams, self._visible_teams.values())
                self._teams.check_unambiguous("teams")
        return self._team_gids

    def _check_known(
        self, unknown: Mapping[str, list[str]], endpoint: Endpoint, visible: Mapping[str, str | None]
    ) -> None:
        """Raise ConfigurationError if a text matches nothing in the other workspaces either."""
        missing = {setting: set(texts) for setting, texts in unknown.items()}
        for other in self._others:
            if any(missing.values()):
                for gid, name in self._list(endpoint, other):
                    for texts in missing.values():
                        texts -= {gid, *([] if name.isdigit() else [name])}
        for setting, texts in unknown.items():
            if left := [text for text in texts if text in missing[setting]]:
                shown = [f"{name} ({gid})" if name else gid for gid, name in islice(visible.items(), _MAX_LISTED)]
                raise ConfigurationError(
                    f"{setting} names {', '.join(left)}, but there are no such {endpoint.name} among those that the "
                    f"token can see, such as {', '.join(shown) or 'none'}: correct the name, or use a gid"
                )

    def _list(self, endpoint: Endpoint, workspace_gid: str) -> Iterator[tuple[str, str]]:
        """Yield gid and name of what a workspace lists; nothing where it has no such listing."""
        request = listing_api_request(endpoint.listings[0], workspace_gid, workspace_gid)
        try:
            for page in self._client.iter_pages(request, opt_fields=_NAME, stats=self._stats, stop=threading.Event()):
                yield from ((one.gid, one.name or "") for one in msgspec.json.decode(page.body, type=_Page).data)
        except (BadRequestError, NotFoundError):  # of teams, unless the workspace is an organization
            return


def _values(rows: pa.RecordBatch | pa.Table, name: str, present: Sequence[str]) -> list[Any]:
    return rows[name].to_pylist() if name in present else [None] * rows.num_rows
