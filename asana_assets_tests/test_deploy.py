"""The files in `deploy/`, checked without a container engine; `distributed/` runs a cluster."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster_celery.launcher import CeleryRunLauncher

from asana_assets_tests.support.postgres_server import Postgres

REPOSITORY = Path(__file__).parents[1]
DEPLOY = REPOSITORY / "deploy"


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / name).read_text())


def env_references(settings: object) -> Iterator[str]:
    """Yield the names of the variables that one of Dagster's YAML files reads: `{env: NAME}`."""
    match settings:
        case {"env": str(name)}:
            yield name
        case dict():
            for value in settings.values():
                yield from env_references(value)
        case list():
            for value in settings:
                yield from env_references(value)
        case _:
            pass


def to_snake_case(settings: Any) -> Any:
    """Convert the chart's camelCase keys to the names that Dagster uses."""
    if not isinstance(settings, dict):
        return settings
    return {
        re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: f"_{m[1].lower()}", key): to_snake_case(settings[key])
        for key in settings
    }


def compose_environment() -> dict[str, str]:
    return load("docker-compose.yaml")["x-dagster"]["environment"]


def test_dagster_loads_the_instance_of_the_deployment(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = {
        "DAGSTER_POSTGRES_HOST": postgres.host,
        "DAGSTER_POSTGRES_PORT": str(postgres.port),
        "DAGSTER_POSTGRES_USER": postgres.user,
        "DAGSTER_POSTGRES_PASSWORD": postgres.password,
        "DAGSTER_POSTGRES_DB": postgres.create_database(),
    }
    for name, value in {**compose_environment(), **database}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(DEPLOY / "python"))
    shutil.copy(DEPLOY / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, CeleryRunLauncher)
        assert type(instance.run_launcher).__name__ == "HealthCheckingCeleryRunLauncher"
        assert instance.run_launcher.celery.conf.broker_url == "redis://redis:6379/0"
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.get_runs()
    assert [path.name for path in tmp_path.iterdir()] == ["dagster.yaml"]


def test_compose_sets_every_variable_that_the_image_reads() -> None:
    celery = (DEPLOY / "python" / "dagster_celery_config.py").read_text()
    read = {
        *env_references(load("dagster.yaml")),
        *env_references(load("workspace.yaml")),
        *re.findall(r'os\.environ\["(\w+)"\]', celery),
    }
    assert len(read) > 6
    assert read <= compose_environment().keys()


def test_the_example_environment_has_every_variable_that_compose_requires() -> None:
    required = set(re.findall(r"\$\{(\w+)", (DEPLOY / "docker-compose.yaml").read_text()))
    example = re.findall(r"^(\w+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE)
    assert required
    assert required <= set(example)


def test_compose_has_one_worker_per_concurrent_run() -> None:
    """A run that waits for a worker counts as starting, and fails after the start timeout."""
    replicas = load("docker-compose.yaml")["services"]["worker"]["deploy"]["replicas"]
    assert load("dagster.yaml")["concurrency"]["runs"]["max_concurrent_runs"] == replicas


def test_compose_services_depend_only_on_services_with_a_health_check() -> None:
    compose = load("docker-compose.yaml")
    services = compose["services"]
    for name, service in services.items():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}, name
            assert "healthcheck" in services[other], (name, other)
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], name


def test_only_postgresql_and_redis_have_volumes() -> None:
    services = load("docker-compose.yaml")["services"]
    assert {name for name, service in services.items() if "volumes" in service} == {"postgres", "redis"}


def test_every_file_that_the_image_copies_exists_and_is_not_ignored() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    copies = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ")]
    sources = [source for paths in copies for source in paths]
    assert len(sources) > 6
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert f"!{source.split('/')[0]}" in ignored, source
    build = load("docker-compose.yaml")["x-dagster"]["build"]
    assert (DEPLOY / build["context"]).resolve() == REPOSITORY
    assert (REPOSITORY / build["dockerfile"]).is_file()


def test_the_image_runs_without_root_and_serves_our_definitions() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    module = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["dagster"]["module_name"]
    assert re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE) == ["1000"]
    assert f'"--module-name", "{module}"' in dockerfile
    [deployment] = load("helm-values.yaml")["dagster-user-deployments"]["deployments"]
    assert deployment["dagsterApiGrpcArgs"] == ["--module-name", module]


def test_the_lock_pins_the_packages_of_the_deploy_extra() -> None:
    extra = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["deploy"]
    names = {re.split(r"[<>=\[]", entry)[0] for entry in extra} - {"asana-assets"}
    pinned = dict(line.split("==") for line in (REPOSITORY / "requirements.lock").read_text().splitlines())
    assert names <= pinned.keys()
    assert pinned["dagster"].split(".")[2] == pinned["dagster-celery"].split(".")[2]


def test_the_chart_configures_the_same_instance_as_dagster_yaml() -> None:
    """The number of concurrent runs may differ: a cluster scales, two workers do not."""
    instance, values = load("dagster.yaml"), load("helm-values.yaml")
    runs = to_snake_case(values["concurrency"]["runs"])
    assert runs["tag_concurrency_limits"] == instance["concurrency"]["runs"]["tag_concurrency_limits"]
    assert to_snake_case(values["dagsterDaemon"]["runMonitoring"]) == instance["run_monitoring"]
    assert to_snake_case(values["dagsterDaemon"]["runRetries"]) == instance["run_retries"]
    assert values["computeLogManager"]["type"] == instance["compute_logs"]["class"]
    assert to_snake_case(values["pythonLogs"]) == instance["python_logs"]
    assert values["telemetry"] == instance["telemetry"]


def test_the_configuration_of_run_pods_uses_kubernetes_field_names() -> None:
    from dagster_k8s import K8sRunLauncher  # noqa: PLC0415 - takes seconds to import
    from dagster_k8s.job import UserDefinedDagsterK8sConfig  # noqa: PLC0415 - takes seconds to import

    launcher = load("helm-values.yaml")["runLauncher"]
    assert launcher["type"] == K8sRunLauncher.__name__
    config = to_snake_case(launcher["config"]["k8sRunLauncher"])
    assert config.keys() <= K8sRunLauncher.config_type().keys()
    assert config["run_k8s_config"].keys() <= {"container_config", "job_spec_config"}
    UserDefinedDagsterK8sConfig.from_dict(config["run_k8s_config"])  # raises for an unknown field
