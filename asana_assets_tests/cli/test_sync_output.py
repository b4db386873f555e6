"""How `asana-assets sync` writes: progress as lines and as JSON, quiet, one JSON document, and live in a terminal."""

import json
import re

import pytest
from click.testing import Result
from rich.console import Console

from asana_assets.cli.summary import RowChanges, SummaryLine, render_summary
from asana_assets_tests.support.plan_command import command_environment, invoke
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse
from asana_assets_tests.support.terminal import COLUMNS, run_in_terminal

NAME = "Cat lovers"


def sync(warehouse: Warehouse, *options: str) -> Result:
    """Sync two assets of a small workspace, given by its name."""
    return invoke(warehouse, "sync", "--workspace", NAME.upper(), "--select", "tags", "--select", "users", *options)


def without_time(line: str) -> str:
    return re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d |\d+\.\d s$", "", line)


def test_without_a_terminal_each_finished_asset_is_one_line(make_warehouse: MakeWarehouse) -> None:
    lines = [without_time(line) for line in sync(make_warehouse()).stdout.splitlines()]
    assert lines[:3] == [
        "workspaces: 3 rows, 3 added, 1 request, ",
        f"{NAME}: users (1 of 2): 3 rows, 3 added, 1 request, ",
        f"{NAME}: tags (2 of 2): 1 row, 1 added, 1 request, ",
    ]


def test_quiet_prints_only_what_was_not_clean(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert sync(warehouse, "--quiet").output == ""
    warehouse.asana.add_fault("/tags", 403)
    result = sync(warehouse, "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: tags of workspace {NAME}: GET /tags returned 403")


def test_verbose_also_prints_when_an_asset_starts(make_warehouse: MakeWarehouse) -> None:
    result = sync(make_warehouse(), "--verbose")
    assert f"{NAME}: tags (2 of 2): fetching all rows" in result.stdout


def test_as_a_json_log_each_line_is_an_object(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.asana.add_fault("/tags", 403)
    result = sync(warehouse, "--log-format", "json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] != "notice"] == [
        "asset_finished",
        "asset_finished",
        "asset_failed",
        "sync_finished",
    ]
    assert (events[1]["workspace"], events[1]["asset"], events[1]["rows"]) == (NAME, "users", 3)
    assert events[-1]["exit_code"] == 1
    [error] = [json.loads(line) for line in result.stderr.splitlines()]
    assert (error["level"], error["kind"]) == ("error", "Error")


def test_with_json_stdout_is_one_document_and_progress_goes_to_stderr(make_warehouse: MakeWarehouse) -> None:
    result = sync(make_warehouse(), "--json")
    document = json.loads(result.stdout)
    assert [workspace["name"] for workspace in document["workspaces"]] == [None, NAME]
    assert {asset["asset"]: asset["rows"] for asset in document["workspaces"][1]["assets"]} == {"users": 3, "tags": 1}
    assert (document["exit_code"], document["totals"]["requests"]) == (0, 3)
    assert {notice["level"] for notice in document["notices"]} == {"Note"}
    assert f"{NAME}: users (1 of 2): 3 rows, 3 added" in result.stderr


def summary(*lines: SummaryLine, names: dict[str, str]) -> list[str]:
    console = Console(width=COLUMNS, color_system=None)
    with console.capture() as capture:
        for renderable in render_summary(lines, names):
            console.print(renderable)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_summary_has_a_section_with_a_subtotal_for_each_workspace() -> None:
    lines = [
        SummaryLine("workspaces", "", 2, 1, 0, 0.5),
        SummaryLine("workspace_memberships", "1", 1_234_567, 12_346, 0, 9_000.0, RowChanges(1_234, 12, 0)),
        SummaryLine("tasks", "1", 5, 1, 2, 0.4, RowChanges(0, 0, 0)),
        SummaryLine("tasks", "2", 7, 1, 0, 0.1),
    ]
    assert summary(*lines, names={"1": "Catnip [& Co.]"}) == [
        "",
        "Catnip [& Co.] (1)",
        "┏━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━┳━━━━━━━┓",
        "┃ asset                 ┃      rows ┃    changes ┃ requests ┃ saved ┃  time ┃",
        "┡━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━╇━━━━━━━┩",
        "│ workspace_memberships │ 1,234,567 │ +1,234 ~12 │   12,346 │     0 │ 2.5 h │",
        "│ tasks                 │         5 │          0 │        1 │     2 │ 0.4 s │",
        "├───────────────────────┼───────────┼────────────┼──────────┼───────┼───────┤",
        "│ total                 │ 1,234,572 │ +1,234 ~12 │   12,347 │     2 │ 2.5 h │",
        "└───────────────────────┴───────────┴────────────┴──────────┴───────┴───────┘",
        "",
        "2",
        "┏━━━━━━━┳━━━━━━┳━━━━━━━━━━┳━━━━━━━┳━━━━━━━┓",
        "┃ asset ┃ rows ┃ requests ┃ saved ┃  time ┃",
        "┡━━━━━━━╇━━━━━━╇━━━━━━━━━━╇━━━━━━━╇━━━━━━━┩",
        "│ tasks │    7 │        1 │     0 │ 0.1 s │",
        "├───────┼──────┼──────────┼───────┼───────┤",
        "│ total │    7 │        1 │     0 │ 0.1 s │",
        "└───────┴──────┴──────────┴───────┴───────┘",
        "",
        "Total: 1,234,581 rows (+1,234 ~12), 12,349 requests (2 saved), 2.5 h, workspaces",
        "included.",
    ]


@pytest.mark.slow
def test_in_a_terminal_each_finished_asset_leaves_a_line_and_the_next_step_comes_last(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    arguments = ["sync", "--workspace", NAME, "--select", "tags", "--select", "users"]
    status, lines = run_in_terminal(arguments, command_environment(warehouse))
    assert status == 0
    position = lines.index(NAME)
    assert [without_time(line) for line in lines[position + 1 : position + 3]] == [
        "   1/2  users                   3 rows, 3 added, 1 request, ",
        "   2/2  tags                    1 row, 1 added, 1 request, ",
    ]
    assert " ".join(lines[-2:]).endswith("by cron, or turn on Dagster's schedule asana_daily.")
    assert max(len(line) for line in lines if "Tables:" not in line and "Next:" not in line) <= COLUMNS
