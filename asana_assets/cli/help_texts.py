"""Texts of `--help`: examples, settings and the names of assets."""

import textwrap
from collections.abc import Iterable
from typing import Final

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.asana.model import Endpoint
from asana_assets.asana.selection import further_endpoints

EXAMPLES: Final = """
asana-assets connect                          verify a token and save it
asana-assets plan                             estimate the first sync
asana-assets sync                             sync everything
asana-assets sync --workspace "My company" --select tasks --select stories
asana-assets status                           show how old the tables are
asana-assets maintain                         keep the tables small and fast
0 3 * * * cd /srv/asana && asana-assets sync -q   (cron)
"""

SETTINGS: Final = """
ASANA_ACCESS_TOKEN           the personal access token
ASANA_TOKEN_SECRET_ID        instead: a secret in AWS Secrets Manager
ASANA_BASE_URL               the URL of the API
ASANA_REQUESTS_PER_SECOND    the maximum rate: 2.4 on free plans, 24 on paid
                             ones; the default is 1.25
ASANA_MAX_IN_FLIGHT          the maximum number of concurrent requests: 40
ASANA_PACER_URL              the database by which processes share the rate
ASANA_WORKSPACES             names or gids, separated by commas; or all
ASANA_ENDPOINTS              names, standard or all, separated by commas;
                             default: standard
ASANA_PROJECTS               gids or names of projects to sync; default: all
ASANA_TEAMS                  gids or names of teams: sync their projects
ASANA_EXCLUDE_PROJECTS       gids or names of projects that are not synced
ASANA_ARCHIVED_PROJECTS      include or exclude
ASANA_OMIT_COLUMNS           columns that are not requested: users.email,...
ASANA_HASH_COLUMNS           columns of which only hashes are stored
ASANA_HASH_SECRET            the secret of these hashes
ASANA_DATA_DIR               the directory of the tables: ./asana_data
ASANA_CHANGES                on or off: keep the history of changes
ASANA_CHANGES_RETENTION_DAYS how long it is kept; default: forever
ICEBERG_NAMESPACE            the namespace of the tables: asana
ICEBERG_NAME_CASE            lower or upper
ICEBERG_EXPIRE_SNAPSHOTS     true or false
PYICEBERG_CATALOG__ASANA__*  another catalog than the embedded one
SNOWFLAKE_*                  see asana-assets snowflake-setup --help
DAGSTER_HOME                 the Dagster instance that records the runs
"""


def paragraph(title: str, text: str) -> str:
    """Return a titled paragraph whose lines click does not wrap."""
    return f"\b\n{title}:\n{textwrap.indent(text.strip(), '  ')}\n"


def asset_names() -> str:
    """Return the names of all assets, as a paragraph for those that are synced by default and one for the others."""
    standard = paragraph("Standard assets", _enumerate(STANDARD_ENDPOINTS))
    further = _enumerate(further_endpoints())
    return f"{standard}\n{paragraph('Further assets, chosen by ASANA_ENDPOINTS', further)}" if further else standard


def _enumerate(endpoints: Iterable[Endpoint]) -> str:
    return textwrap.fill(", ".join(endpoint.name for endpoint in endpoints), 76)


MAIN_EPILOG: Final = (
    f"{paragraph('Examples', EXAMPLES)}\n{paragraph('Environment variables, also read from .env', SETTINGS)}\n"
    f"{asset_names()}"
)
