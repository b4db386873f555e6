"""What the alert sensor reports, once each, from runs against the sandbox."""

import datetime as dt
import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from asana_assets.defs.alerts import Alert, build_alert_sensor
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.dagster_dev import START_SECONDS, DagsterDev
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

UI = "http://dagster.example"
NAME = "Catnip & Co."


@dataclass
class Watched:
    """The alert sensor of a warehouse's code location, evaluated as Dagster's daemon does."""

    warehouse: Warehouse
    stale_after: dt.timedelta = dt.timedelta(hours=26)
    only: Collection[str] | None = None
    broken: bool = False
    cursor: str | None = None
    sent: list[Alert] = field(default_factory=list[Alert])

    def tick(self) -> list[Alert]:
        """Evaluate a tick and return the alerts that it sent."""
        self.sent.clear()
        sensor = build_alert_sensor(self.notify, base_url=f"{UI}/", stale_after=self.stale_after, only=self.only)
        definitions = dg.Definitions.merge(self.warehouse.definitions, dg.Definitions(sensors=[sensor]))
        with dg.build_sensor_context(
            instance=self.warehouse.instance, definitions=definitions, cursor=self.cursor
        ) as context:
            sensor(context)
            self.cursor = context.cursor
        return list(self.sent)

    def notify(self, alert: Alert) -> None:
        if self.broken:
            raise ConnectionError
        self.sent.append(alert)


def test_a_failed_run_and_a_failed_check_are_reported_once_by_name_and_with_a_link(
    make_warehouse: MakeWarehouse,
) -> None:
    watched = Watched(warehouse := make_warehouse())
    assert watched.tick() == []
    warehouse.run("refresh_workspaces")
    assert watched.tick() == []
    faults = [warehouse.asana.add_fault("/tags", 403), warehouse.asana.add_fault("/webhooks", 402)]
    run = warehouse.run("sync_workspace", paid(warehouse), ["tags", "webhooks"])
    failed, *_ = alerts = watched.tick()
    assert failed.subject == f"The run of asana_sync_workspace of workspace {NAME} failed"
    assert failed.message.startswith(f"tags of workspace {NAME}: GET /tags returned 403")
    assert failed.url == f"{UI}/runs/{run.run_id}"
    assert str(failed) == f"{failed.subject}. {failed.message}\n{failed.url}"
    assert len(alerts) == 1  # a plan limit is nothing to fix
    assert watched.tick() == []
    for fault in faults:
        fault.cancel()


@pytest.mark.slow
def test_a_failed_check_is_reported_again_only_after_it_passed(make_warehouse: MakeWarehouse) -> None:
    watched = Watched(warehouse := make_warehouse())
    warehouse.run("refresh_workspaces")
    watched.tick()
    tag = warehouse.asana.organization.get(str(warehouse.asana.truth("tags", paid(warehouse))[0]["gid"]), "tag").fields
    good = tag["created_at"]
    reported: list[list[str]] = []
    for value in ("soon", "soon", good, "soon"):
        tag["created_at"] = value
        warehouse.asana.organization.mark_changed()
        warehouse.run("sync_workspace", paid(warehouse), ["tags"])
        reported.append([alert.subject for alert in watched.tick()])
    failed = [f"The check no_unmapped_values of asana/tags of workspace {NAME} failed (warning)"]
    assert reported == [failed, [], [], failed]


@pytest.mark.slow
def test_a_workspace_that_is_not_synced_is_reported_until_it_is(make_warehouse: MakeWarehouse) -> None:
    watched = Watched(warehouse := make_warehouse(), stale_after=dt.timedelta(seconds=-1))
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.run("refresh_workspaces")
    [alert] = watched.tick()
    assert alert.subject == f"Workspace {NAME} is stale"
    assert alert.message.startswith("It was never synced. Check whether the schedule is on")
    assert alert.url == f"{UI}/runs?q[0]=tag%3Adagster%2Fpartition%3D{paid(warehouse)}"
    assert watched.tick() == []
    assert warehouse.run("sync_workspace", paid(warehouse), ["tags"]).success
    watched.stale_after = dt.timedelta(hours=1)
    assert watched.tick() == []
    assert json.loads(watched.cursor or "")["open"] == []


def test_an_alert_that_was_not_delivered_is_sent_by_the_next_tick(make_warehouse: MakeWarehouse) -> None:
    watched = Watched(warehouse := make_warehouse())
    watched.tick()
    warehouse.asana.revoke_token()
    warehouse.run("refresh_workspaces")
    watched.broken = True
    with pytest.raises(ConnectionError):
        watched.tick()
    watched.broken = False
    [alert] = watched.tick()
    assert alert.subject == "The run of asana_refresh_workspaces failed"
    assert alert.message.startswith("Asana rejected the token (GET /workspaces returned 401")


def test_a_failed_check_that_a_sensor_evaluated_is_reported_until_it_passes(make_warehouse: MakeWarehouse) -> None:
    watched = Watched(warehouse := make_warehouse())
    reported: list[list[str]] = []
    for passed in (False, False, True, False):
        warehouse.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(["asana", "workspaces"]),
                check_name="workspaces_synced",
                passed=passed,
                description="Not synced within 49 hours: Acme.",
                severity=dg.AssetCheckSeverity.ERROR,
            )
        )
        reported.append([str(alert) for alert in watched.tick()])
    subject = "The check workspaces_synced of asana/workspaces failed (error)"
    failed = [f"{subject}. Not synced within 49 hours: Acme.\n{UI}/assets/asana/workspaces?view=checks"]
    assert reported == [failed, [], [], failed]


BROKEN_SENSOR = """
import dagster as dg

from asana_assets import definitions


@dg.sensor(minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def broken():
    raise ValueError("no such bucket")


defs = dg.Definitions.merge(definitions.defs, dg.Definitions(sensors=[broken]))
"""


@pytest.mark.slow
def test_a_sensor_that_fails_or_cannot_poll_asana_is_reported_once(asana: Sandbox, tmp_path: Path) -> None:
    module = tmp_path / "with_broken_sensor.py"
    module.write_text(BROKEN_SENSOR)
    asana.revoke_token()
    with (
        DagsterDev(asana, tmp_path, {}, target=["-f", str(module)]) as dev,
        dg.DagsterInstance.from_config(str(dev.home)) as instance,
    ):
        watched = Watched(Warehouse(asana, dev.data_dir, instance), only=["broken", "asana_watch_workspaces"])
        alerts: list[Alert] = []
        deadline = time.monotonic() + START_SECONDS
        while len(alerts) < len(watched.only or ()) and time.monotonic() < deadline:
            time.sleep(1)
            alerts += watched.tick()
        assert watched.tick() == []
    found = {alert.subject: alert for alert in alerts}
    assert found["broken is failing"].message == "ValueError: no such bucket"
    message = found["asana_watch_workspaces is failing"].message
    assert message.startswith("Polling Asana failed. Asana rejected the token (GET /workspaces returned 401")
    assert {alert.url for alert in alerts} == {f"{UI}/automation"}
    assert len(alerts) == 2
