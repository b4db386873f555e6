"""A cluster simulated on one machine: processes that share servers but no directories.

Each process has its own home, working directory and `dagster.yaml`. The latter is `deploy/dagster.yaml` as shipped, but
with shorter waits; all other settings come from the environment.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import dagster as dg
import pytest
import redis
import yaml
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from asana_assets_tests.support.postgres_server import Postgres

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
BIN = Path(sys.executable).parent
SHORT_WAITS = {
    "run_launcher": {"config": {"worker_timeout_seconds": 8}},
    "run_monitoring": {"poll_interval_seconds": 2},
}
"""Overrides of settings that are minutes in `deploy/dagster.yaml`."""

_FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@contextmanager
def run_redis(directory: Path) -> Generator[str]:
    """Run a Redis server on the loopback interface; yield its URL without a database number."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)  # noqa: S603 - a fixed program
    try:
        client = redis.Redis(port=port)
        wait_until(lambda: _responds(client), 30, "Redis to respond")
        client.close()
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _responds(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@dataclass
class Machine:
    """A running process and its directory, which stand for a machine."""

    name: str
    directory: Path
    process: "subprocess.Popen[bytes]"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def kill(self) -> None:
        """Kill the process and all its children at once, as a power failure would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # remaining children
        self.process.wait(30)

    def files(self) -> set[str]:
        """Return the relative paths of all files in its directories, except the log."""
        return {
            str(path.relative_to(self.directory))
            for path in self.directory.rglob("*")
            if path.is_file() and path.name != "log"
        }


class Cluster:
    """A code server, a daemon and two Celery workers, as a context manager."""

    def __init__(self, directory: Path, postgres: Postgres, settings: Mapping[str, str]) -> None:
        self._directory = directory
        self._postgres = postgres
        self._settings = settings
        self._stack = ExitStack()
        self.machines: dict[str, Machine] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            broker = stack.enter_context(run_redis(self._directory))
            self.port = free_port()
            self.environment = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join((str(DEPLOY / "python"), str(REPOSITORY))),
                "DAGSTER_POSTGRES_HOST": self._postgres.host,
                "DAGSTER_POSTGRES_PORT": str(self._postgres.port),
                "DAGSTER_POSTGRES_USER": self._postgres.user,
                "DAGSTER_POSTGRES_PASSWORD": self._postgres.password,
                "DAGSTER_POSTGRES_DB": self._postgres.create_database(),
                "CELERY_BROKER_URL": f"{broker}/0",
                "CELERY_BACKEND_URL": f"{broker}/1",
                "CODE_SERVER_HOST": "127.0.0.1",
                "CODE_SERVER_PORT": str(self.port),
                **self._settings,
            }
            setenv = stack.enter_context(_patched_environment())
            for name, value in self.environment.items():
                setenv(name, value)
            self._write_yaml(self._directory)
            self.instance = stack.enter_context(dg.DagsterInstance.from_config(str(self._directory)))
            stack.callback(self._stop_all)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start a code server, a daemon and two workers."""
        modules = ("-m", "asana_assets.definitions")
        self.run("code", "dagster", "api", "grpc", *modules, "--host", "127.0.0.1", "--port", str(self.port))
        wait_until(self._code_server_listens, 90, "the code server to listen")
        self.start_worker("one")
        self.start_worker("two")
        for name in ("one", "two"):
            wait_until(lambda: " ready." in self.machines[name].log, 90, f"worker {name} to be ready")  # noqa: B023 - called before the next iteration
        self.run("daemon", "dagster-daemon", "run", "-w", str(DEPLOY / "workspace.yaml"))

    def start_worker(self, name: str) -> Machine:
        """Start a worker; its name is also its hostname."""
        return self.run(
            name, "celery", "--app=dagster_celery.app", "worker", f"--hostname={name}", "--queues=dagster", "-l", "INFO"
        )

    def run(self, name: str, program: str, *arguments: str) -> Machine:
        """Start a program on a new machine."""
        directory = self._directory / name
        for part in ("home", "work", "dagster"):
            (directory / part).mkdir(parents=True)
        self._write_yaml(directory / "dagster")
        environment = {
            **self.environment,
            "HOME": str(directory / "home"),
            "DAGSTER_HOME": str(directory / "dagster"),
        }
        with (directory / "log").open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - fixed programs
                [BIN / program, *arguments],
                cwd=directory / "work",
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.machines[name] = Machine(name, directory, process)
        return self.machines[name]

    def launch(self, job: str, workspace_gid: str, config: Mapping[str, object]) -> dg.DagsterRun:
        """Launch a run from a new machine and return it; it may still be queued."""
        before = {run.run_id for run in self.instance.get_runs()}
        machine = self.run(
            f"launch-{len(self.machines)}",
            "dagster",
            *("job", "launch", "--workspace", str(DEPLOY / "workspace.yaml"), "--job", job),
            *("--tags", json.dumps({"dagster/partition": workspace_gid, "asana/workspace": workspace_gid})),
            *("--config-json", json.dumps(config)),
        )
        assert machine.process.wait(120) == 0, machine.log
        [run] = [run for run in self.instance.get_runs() if run.run_id not in before]
        return run

    def runs(self, **tags: str) -> list[dg.DagsterRun]:
        """Return the runs that have these tags, the oldest first; names are prefixed with `dagster/`."""
        dagster_tags = {f"dagster/{name}": value for name, value in tags.items()}
        return list(reversed(self.instance.get_runs(dg.RunsFilter(tags=dagster_tags))))

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        found = self.instance.get_run_by_id(run.run_id)
        assert found
        return found.status

    def find_worker(self, run: dg.DagsterRun) -> str | None:
        """Return the name of the worker that executes a run, or None before it started and after it finished."""
        found = self.instance.get_run_by_id(run.run_id)
        if found is None or found.status != dg.DagsterRunStatus.STARTED:  # until then, a retry has its parent's tags
            return None
        task_id = found.tags[DAGSTER_CELERY_TASK_ID_TAG]
        launcher = cast("CeleryRunLauncher", self.instance.run_launcher)
        info: Any = launcher.celery.AsyncResult(task_id).info
        return str(info["hostname"]).removeprefix("celery@") if isinstance(info, Mapping) else None

    def wait_for_worker(self, run: dg.DagsterRun, seconds: float) -> str:
        wait_until(
            lambda: self.find_worker(run) is not None or self.status(run) in _FINISHED,
            seconds,
            f"run {run.run_id} to start",
        )
        worker = self.find_worker(run)
        assert worker, self.status(run)
        return worker

    def wait_until_finished(self, run: dg.DagsterRun, seconds: float) -> dg.DagsterRunStatus:
        wait_until(lambda: self.status(run) in _FINISHED, seconds, f"run {run.run_id} to finish")
        return self.status(run)

    def _code_server_listens(self) -> bool:
        assert self.machines["code"].process.poll() is None, self.machines["code"].log
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _write_yaml(self, directory: Path) -> None:
        settings = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
        settings["run_launcher"]["config"] |= SHORT_WAITS["run_launcher"]["config"]
        settings["run_monitoring"] |= SHORT_WAITS["run_monitoring"]
        (directory / "dagster.yaml").write_text(yaml.safe_dump(settings))

    def _stop_all(self) -> None:
        for machine in reversed(self.machines.values()):
            machine.stop()


@contextmanager
def _patched_environment() -> Generator[Callable[[str, str], None]]:
    """Yield a function that sets environment variables inside the `with` block, where `deploy/python` is importable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DEPLOY / "python"))
        yield patch.setenv


def find_redis() -> str | None:
    """Return the path of the Redis server, or None if it is not installed."""
    return shutil.which("redis-server")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float, awaited: str) -> None:
    """Wait until `condition()` is true.

    Args:
        condition: Called repeatedly.
        seconds: Maximum wait.
        awaited: What is awaited, for the error message, such as "the worker to start".

    Raises:
        TimeoutError: The condition is still false after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {awaited}")
        time.sleep(0.3)
