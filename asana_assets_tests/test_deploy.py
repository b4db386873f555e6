"""What `deploy/` ships, as far as it can be tried without a container engine; `distributed/` has a running cluster."""

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


def environment_of(settings: object) -> Iterator[str]:
    """Give the variables that a file for Dagster reads: `{env: NAME}`."""
    match settings:
        case {"env": str(name)}:
            yield name
        case dict():
            for value in settings.values():
                yield from environment_of(value)
        case list():
            for value in settings:
                yield from environment_of(value)
        case _:
            pass


def snake(settings: Any) -> Any:
    """Give what the chart makes of its values: keys as Dagster spells them."""
    if not isinstance(settings, dict):
        return settings
    return {
        re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: f"_{m[1].lower()}", key): snake(settings[key]) for key in settings
    }


def compose_environment() -> dict[str, str]:
    return load("docker-compose.yaml")["x-dagster"]["environment"]


def test_the_instance_of_many_machines_is_one_that_dagster_loads(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {
        "DAGSTER_POSTGRES_HOST": postgres.host,
        "DAGSTER_POSTGRES_PORT": str(postgres.port),
        "DAGSTER_POSTGRES_USER": postgres.user,
        "DAGSTER_POSTGRES_PASSWORD": postgres.password,
        "DAGSTER_POSTGRES_DB": postgres.create_database(),
    }
    for name, value in {**compose_environment(), **real}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(DEPLOY / "python"))
    shutil.copy(DEPLOY / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, CeleryRunLauncher)
        assert type(instance.run_launcher).__name__ == "WatchedCeleryRunLauncher"
        assert instance.run_launcher.celery.conf.broker_url == "redis://redis:6379/0"
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.get_runs()
    assert [path.name for path in tmp_path.iterdir()] == ["dagster.yaml"]


def test_compose_sets_every_variable_that_the_image_s_files_read() -> None:
    celery = (DEPLOY / "python" / "dagster_celery_config.py").read_text()
    read = {
        *environment_of(load("dagster.yaml")),
        *environment_of(load("workspace.yaml")),
        *re.findall(r'os\.environ\["(\w+)"\]', celery),
    }
    assert len(read) > 6
    assert read <= compose_environment().keys()


def test_compose_asks_for_no_variable_that_its_example_lacks() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "docker-compose.yaml").read_text()))
    example = re.findall(r"^(\w+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE)
    assert asked
    assert asked <= set(example)


def test_compose_has_as_many_workers_as_dagster_starts_runs() -> None:
    """A run that waits for a worker counts as starting, and fails when that takes too long."""
    replicas = load("docker-compose.yaml")["services"]["worker"]["deploy"]["replicas"]
    assert load("dagster.yaml")["concurrency"]["runs"]["max_concurrent_runs"] == replicas


def test_compose_s_services_wait_only_for_services_that_it_has() -> None:
    compose = load("docker-compose.yaml")
    services = compose["services"]
    for name, service in services.items():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}, name
            assert "healthcheck" in services[other], (name, other)
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], name


def test_only_postgresql_and_redis_keep_anything_on_a_disk() -> None:
    services = load("docker-compose.yaml")["services"]
    assert {name for name, service in services.items() if "volumes" in service} == {"postgres", "redis"}


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    copies = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ")]
    sources = [source for words in copies for source in words]
    assert len(sources) > 6
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert f"!{source.split('/')[0]}" in ignored, source
    build = load("docker-compose.yaml")["x-dagster"]["build"]
    assert (DEPLOY / build["context"]).resolve() == REPOSITORY
    assert (REPOSITORY / build["dockerfile"]).is_file()


def test_the_image_runs_as_nobody_special_and_serves_our_definitions() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    module = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["dagster"]["module_name"]
    assert re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE) == ["1000"]
    assert f'"--module-name", "{module}"' in dockerfile
    [deployment] = load("helm-values.yaml")["dagster-user-deployments"]["deployments"]
    assert deployment["dagsterApiGrpcArgs"] == ["--module-name", module]


def test_the_lock_pins_what_the_image_installs() -> None:
    extra = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["deploy"]
    names = {re.split(r"[<>=\[]", entry)[0] for entry in extra} - {"asana-assets"}
    pinned = dict(line.split("==") for line in (REPOSITORY / "requirements.lock").read_text().splitlines())
    assert names <= pinned.keys()
    assert pinned["dagster"].split(".")[2] == pinned["dagster-celery"].split(".")[2]


def test_the_chart_s_values_mean_what_dagster_yaml_says() -> None:
    """Except for how many runs there may be at once: a cluster grows, two workers do not."""
    ours, values = load("dagster.yaml"), load("helm-values.yaml")
    runs = snake(values["concurrency"]["runs"])
    assert runs["tag_concurrency_limits"] == ours["concurrency"]["runs"]["tag_concurrency_limits"]
    assert snake(values["dagsterDaemon"]["runMonitoring"]) == ours["run_monitoring"]
    assert snake(values["dagsterDaemon"]["runRetries"]) == ours["run_retries"]
    assert values["computeLogManager"]["type"] == ours["compute_logs"]["class"]
    assert snake(values["pythonLogs"]) == ours["python_logs"]
    assert values["telemetry"] == ours["telemetry"]


def test_run_pods_are_described_in_kubernetes_own_words() -> None:
    from dagster_k8s import K8sRunLauncher  # noqa: PLC0415 # seconds to import
    from dagster_k8s.job import UserDefinedDagsterK8sConfig  # noqa: PLC0415

    launcher = load("helm-values.yaml")["runLauncher"]
    assert launcher["type"] == K8sRunLauncher.__name__
    config = snake(launcher["config"]["k8sRunLauncher"])
    assert config.keys() <= K8sRunLauncher.config_type().keys()
    assert config["run_k8s_config"].keys() <= {"container_config", "job_spec_config"}
    UserDefinedDagsterK8sConfig.from_dict(config["run_k8s_config"])  # raises on a word that Kubernetes does not know
