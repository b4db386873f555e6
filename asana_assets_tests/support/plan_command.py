"""`asana-assets plan` as a user runs it, and the sync to compare it with."""

import os
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from asana_assets.cli.main import main
from asana_assets.sandbox import STANDARD
from asana_assets_tests.support.sync_harness import Warehouse, failures, metadata


@dataclass(frozen=True)
class Plan:
    """What the command printed for one workspace.

    Attributes:
        requests: The estimated requests by asset.
        note: The sentences below the table, without the total.
        sent: The paths of the requests that the command sent.
    """

    requests: dict[str, int]
    note: str
    sent: list[str]

    @property
    def total(self) -> int:
        """The estimated requests of all assets."""
        return sum(self.requests.values())


def command_environment(warehouse: Warehouse) -> dict[str, str]:
    """Return the environment variables with which `asana-assets` uses this warehouse."""
    return {
        "HOME": str(warehouse.data_dir),
        "ASANA_DATA_DIR": str(warehouse.data_dir),
        "ASANA_BASE_URL": warehouse.asana.url,
        "ASANA_ACCESS_TOKEN": warehouse.asana.token,
        "ASANA_ENDPOINTS": ",".join(warehouse.endpoints),
        "ASANA_REQUESTS_PER_SECOND": "1000",
        **warehouse.settings,
    }


def invoke(warehouse: Warehouse, *arguments: str, **settings: str) -> Result:
    """Invoke `asana-assets` with these arguments and environment variables."""
    environment = command_environment(warehouse) | settings
    return CliRunner().invoke(main, arguments, env=dict.fromkeys(os.environ) | environment, prog_name="asana-assets")


def plan(warehouse: Warehouse, gid: str, *arguments: str) -> Plan:
    """Run `asana-assets plan` for one workspace and parse its output."""
    before = len(warehouse.asana.log)
    result = invoke(warehouse, "plan", "--workspace", gid, *arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    sent = [entry.path for entry in warehouse.asana.log[before:]]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    requests = {asset: int(figure.replace(",", "")) for asset, _, _, figure, _ in cells}
    total = requests.pop("total")
    assert total == sum(requests.values())
    sentences = " ".join(result.stdout.rpartition("┘")[2].split())
    note, _, rest = sentences.partition(" Total, including the list of workspaces:")
    assert f"{total + 1:,} requests" in rest
    assert rest.endswith(f" This estimate took {len(sent):,}.")
    return Plan(requests, note, sent)


def synced(warehouse: Warehouse, gid: str, **config: object) -> dict[str, int]:
    """Sync a workspace as the command does; return the requests that each asset took."""
    assert warehouse.run("refresh_workspaces").success
    names = [name for name in STANDARD if name != "workspaces"]
    result = warehouse.run("sync_workspace", gid, names if config else (), **config)
    assert result.success, failures(result)
    return {name: metadata(result, name)["requests"] for name in names}


def paid(warehouse: Warehouse) -> str:
    """Return the gid of the organization with a paid plan."""
    return warehouse.asana.organization.edge_cases["paid_organization"]


def dagster_home(directory: Path) -> Path:
    """Create a directory for a Dagster instance, which does not report statistics, and return it."""
    home = directory / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return home
