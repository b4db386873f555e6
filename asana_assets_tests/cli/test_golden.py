"""The layout of what the commands print, at 80 columns, against the files in `golden/`.

After an intended change, `GOLDEN=write pytest asana_assets_tests/cli/test_golden.py -m "slow or not slow"` rewrites the
files; review their difference.
"""

import os
import re
from pathlib import Path

import pytest
from click.testing import Result

from asana_assets_tests.support.plan_command import dagster_home, invoke
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

GOLDEN = Path(__file__).with_name("golden")
COLUMNS = 80
NAME = "Cat lovers"
SELECTION = [argument for name in ("users", "projects", "sections", "tags") for argument in ("--select", name)]
VARYING = (
    # The last column of a table with durations, whose width varies with them.
    (r"(?<=[┳╇┼┴┃│])[^┳╇┼┴┃│┓┩┤┘\n]*(?=[┓┩┤┘┃│] *$)", "…"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(?=:\d\d)?", "2026-01-01 00:00"),
    (r"(?<=00:00):\d\d", ":00"),
    (r"\b\d+\.\d s\b", "0.0 s"),
    (r"\b\d min\b", "0 min"),
    (r"(?<=asana_assets_doctor_)[0-9a-f]{8}\b", "00000000"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:80"),
)


def assert_golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def shown(warehouse: Warehouse, result: Result) -> str:
    """Return the output and the exit code, with everything that varies replaced."""
    streams = {"stdout": result.stdout, "stderr": result.stderr}
    text = "".join(f"--- {name}\n{output}" for name, output in streams.items() if output)
    for pattern, replacement in VARYING[" time ┃" not in text :]:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    text = text.replace(str(warehouse.data_dir), "/data")
    return "\n".join(line.rstrip() for line in f"{text}--- exit code {result.exit_code}\n".split("\n"))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["sync", "--help"], ["status", "--help"]], ids=["help", "help_of_sync", "help_of_status"]
)
def test_help(request: pytest.FixtureRequest, make_warehouse: MakeWarehouse, arguments: list[str]) -> None:
    warehouse = make_warehouse()
    result = invoke(warehouse, *arguments, COLUMNS=str(COLUMNS))
    assert max(map(len, result.stdout.splitlines())) <= COLUMNS
    assert_golden(request.node.callspec.id, shown(warehouse, result))


@pytest.mark.slow
def test_the_first_week(make_warehouse: MakeWarehouse, tmp_path: Path) -> None:
    warehouse = make_warehouse()
    home = str(dagster_home(tmp_path))

    def assert_shown(name: str, *arguments: str, **settings: str) -> None:
        settings = {"COLUMNS": str(COLUMNS), "DAGSTER_HOME": home, **settings}
        assert_golden(name, shown(warehouse, invoke(warehouse, *arguments, **settings)))

    sync = ["sync", "--workspace", NAME, *SELECTION]
    assert_shown("status_before_the_first_sync", "status")
    assert_shown("doctor", "doctor", ASANA_REQUESTS_PER_SECOND="5")
    assert_shown("plan", "plan", "--workspace", NAME, ASANA_REQUESTS_PER_SECOND="5")
    assert_shown("sync", *sync)
    organization = warehouse.asana.organization
    tag = str(warehouse.asana.truth("tags", organization.edge_cases["free_organization"])[0]["gid"])
    organization.get(tag, "tag").fields["created_at"] = "soon"
    organization.mark_changed()
    assert_shown("sync_with_a_warning", *sync)
    assert_shown("status", "status")
    warehouse.asana.add_fault("/projects", 403)
    assert_shown("sync_with_a_failure", *sync)
    assert_shown("sync_quiet", *sync, "--quiet")
    organization.get(tag, "tag").fields["created_at"] = "2026-01-01T00:00:00.000Z"
    warehouse.asana.revoke_token()
    assert_shown("sync_without_access", *sync)
    assert_shown("doctor_without_access", "doctor")
