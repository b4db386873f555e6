"""The component: what its attributes reach, and what its errors say."""

import re
from typing import Any

import dagster as dg
import pytest
import yaml

from asana_assets import AsanaComponent, AsanaEndpointProps
from asana_assets.asana.errors import ConfigurationError
from asana_assets.defs.automation import Automation
from asana_assets.defs.resources import AsanaResource, LakeResource

CONTEXT = dg.ComponentTree.for_test().load_context
VALID: dict[str, Any] = {
    "name": "acme",
    "asana": {"access_token": {"env": "ACME_ACCESS_TOKEN"}, "requests_per_second": 2},
    "lake": {"namespace": "acme", "catalog_properties": {"uri": "u", "credential": {"env": "ACME_CREDENTIAL"}}},
}


def load(component: type[AsanaComponent] = AsanaComponent, **attributes: Any) -> AsanaComponent:
    return component.resolve_from_yaml(yaml.safe_dump(VALID | attributes))


def specs(component: AsanaComponent) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in component.build_defs(CONTEXT).resolve_all_asset_specs()}


def test_resources_have_the_fields_and_read_secrets_when_a_run_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_ACCESS_TOKEN", "not yet")
    resources = load().build_defs(CONTEXT).resources or {}
    assert "not yet" not in str(resources["acme_api"].model_dump())
    monkeypatch.setenv("ACME_ACCESS_TOKEN", "s3cret")
    monkeypatch.setenv("ACME_CREDENTIAL", "hidden")
    with resources["acme_api"].process_config_and_initialize_cm() as asana:
        assert (asana.access_token, asana.requests_per_second) == ("s3cret", 2.0)
    with resources["acme_lake"].process_config_and_initialize_cm() as lake:
        assert lake.namespace == "acme"
        assert lake.catalog_properties == {"uri": "u", "credential": "hidden"}


def test_endpoints_ops_and_automation_are_those_of_the_attributes() -> None:
    retry_policy = {"max_retries": 2, "delay": 60, "backoff": "EXPONENTIAL"}
    definitions = load(
        endpoints=["tags"],
        op={"pool": "shared", "retry_policy": retry_policy, "tags": {"team": "host"}},
        automation={"cron": "0 5 * * *", "timezone": "Europe/Vienna", "running": ["daily"]},
    ).build_defs(CONTEXT)
    [tags] = [
        asset
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition) and asset.key.path[-1] == "tags"
    ]
    assert (tags.op.pool, tags.op.tags["team"]) == ("shared", "host")
    assert tags.op.retry_policy == dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL)
    daily = definitions.resolve_schedule_def("acme_daily")
    assert (daily.cron_schedule, daily.execution_timezone) == ("0 5 * * *", "Europe/Vienna")
    assert daily.default_status is dg.DefaultScheduleStatus.RUNNING


def test_without_automation_there_are_no_schedules() -> None:
    assert len(list(load().build_defs(CONTEXT).schedules or ())) == 3
    assert not load(automation=None).build_defs(CONTEXT).schedules


def test_a_translation_changes_what_a_subclass_returns() -> None:
    class HostComponent(AsanaComponent):
        def get_asset_spec(self, props: AsanaEndpointProps) -> dg.AssetSpec:
            return super().get_asset_spec(props).replace_attributes(owners=["team:host"], group_name="replaced")

    translation = {"key_prefix": "raw", "group_name": "{{ props.endpoint.name }}_of_{{ props.name }}"}
    spec = specs(load(HostComponent, translation=translation))["raw/acme/tags"]
    assert (spec.group_name, spec.owners) == ("tags_of_acme", ["team:host"])


def test_the_component_can_be_built_in_python() -> None:
    component = AsanaComponent(asana=AsanaResource(), lake=LakeResource(), automation=Automation(running=["daily"]))
    assert "asana/tags" in specs(component)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"asana": {}}, "asana: there is no token; set access_token to {env: NAME}, or set token_secret_id"),
        ({"asana": {"access_token": "2/s3cret:x"}}, "asana: access_token must not be in the file; write {env: NAME}"),
        (
            {"asana": {"access_token": {"env": "2/s3cret:x"}}},
            "asana: access_token.env is not the name of an environment variable",
        ),
        (
            {"asana": {**VALID["asana"], "hash_columns": ["users.email"], "hash_secret": "s3cret"}},
            "asana: hash_secret must not be in the file; write {env: NAME}",
        ),
        ({"asana": {**VALID["asana"], "hash_columns": ["users.email"]}}, "which needs ASANA_HASH_SECRET"),
        ({"asana": {**VALID["asana"], "omit_columns": ["tasks.gid"]}}, "names tasks.gid, but syncs need the values"),
        ({"endpoints": ["taks"]}, "endpoints names taks; there are standard (attachments, "),
        ({"name": "my acme"}, "name is 'my acme', but must be a letter followed by"),
        ({"automation": {"running": ["nightly"]}}, "automation: running names nightly; there are daily, "),
        ({"automation": {"cron": "nightly"}}, "automation: cron is 'nightly', but must be an expression such as"),
        ({"automation": {"timezone": "Mars"}}, "automation: timezone is 'Mars', but must be a name such as"),
        ({"op": {"retry_policy": {"backoff": "FAST"}}}, "op.retry_policy: backoff: Input should be 'LINEAR' or "),
    ],
)
def test_an_invalid_value_is_one_sentence_that_names_it(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)) as caught:
        load(**attributes).build_defs(CONTEXT)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "position"),
    [
        ({"asana": {**VALID["asana"], "requests_per_second": 0}}, "`asana.requests_per_second at "),
        ({"asana": {**VALID["asana"], "max_in_flight": 51}}, "`asana.max_in_flight at "),
        ({"lake": {"name_case": "mixed"}}, "`lake.name_case at "),
        ({"endpoint": ["tasks"]}, "endpoint at "),
    ],
)
def test_what_contradicts_the_schema_is_named_with_its_line(attributes: dict[str, Any], position: str) -> None:
    with pytest.raises(ValueError, match="1 validation error for") as caught:
        load(**attributes)
    assert position in str(caught.value)
