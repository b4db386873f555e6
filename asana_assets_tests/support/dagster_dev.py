"""The Dagster UI as `make dev` starts it, against a sandbox, in an instance of its own; stopped with its children."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from asana_assets.sandbox import Sandbox

PROJECT = Path(__file__).parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.2


class DagsterDev:
    """The UI and the daemon, as a context manager.

    Attributes:
        asana: The sandbox that is synced.
        data_dir: Directory of the tables.
        home: Directory of the Dagster instance.
        url: Address of the UI.
    """

    def __init__(
        self,
        asana: Sandbox,
        directory: Path,
        settings: Mapping[str, str],
        *,
        stopped_sensors: Sequence[str] = (),
        target: Sequence[str] = ("-w", "workspace.yaml"),
    ) -> None:
        """Prepare the processes without starting them.

        Args:
            asana: The sandbox to sync.
            directory: Directory for everything that is written.
            settings: Environment variables besides those that point to the sandbox.
            stopped_sensors: Sensors that run by default but are to be stopped.
            target: The options that name the code location to load.
        """
        self.asana = asana
        self.data_dir = directory / "asana_data"
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.home = directory / "dagster_home"
        self._log = directory / "dagster_dev.log"
        self._stopped_sensors = stopped_sensors
        self._target = target
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "DAGSTER_HOME": str(self.home),
            "ASANA_BASE_URL": asana.url,
            "ASANA_ACCESS_TOKEN": asana.token,
            "ASANA_DATA_DIR": str(self.data_dir),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.home.mkdir()
        shutil.copy(PROJECT / "dagster_home" / "dagster.yaml", self.home)
        for name in self._stopped_sensors:
            self.run("dagster", "sensor", "stop", name)
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - Dagster's own command
                [_command("dg"), "dev", *self._target, "--host", "127.0.0.1", "--port", str(self._port)],
                cwd=PROJECT,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_loaded(self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the whole process group: the webserver, the daemon, the code server and the runs."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGKILL):  # a process may have been started with SIGINT ignored
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)

    def run(self, command: str, *arguments: str) -> None:
        """Run a command of this environment with the same settings.

        Raises:
            RuntimeError: The command failed.
        """
        done = subprocess.run(  # noqa: S603 - Dagster's command or ours
            [_command(command), *arguments],
            cwd=PROJECT,
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{command} {' '.join(arguments)}:\n{done.stdout}{done.stderr}")

    def query(self, query: str, **variables: object) -> dict[str, Any]:
        """Query the GraphQL API of the UI. Only to inspect state: the actions of a user are performed by clicks.

        Raises:
            RuntimeError: The response has errors.
            OSError: There is no response.
        """
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - loopback
            result = json.load(response)
        if "errors" in result:
            raise RuntimeError(result["errors"])
        return result["data"]

    def partition_keys(self) -> list[str]:
        """Return the gids of the workspaces that are registered as partitions."""
        data = self.query("{ assetNodes { assetKey { path } partitionKeys } }")
        return next(node["partitionKeys"] for node in data["assetNodes"] if node["assetKey"]["path"][-1] == "tasks")

    def unmaterialized_assets(self) -> list[str]:
        """Return the assets that are not materialized for every registered workspace."""
        data = self.query("{ assetNodes { assetKey { path } partitionStats { numPartitions numMaterialized } } }")
        stats = {node["assetKey"]["path"][-1]: node["partitionStats"] for node in data["assetNodes"]}
        return [name for name, one in stats.items() if one and one["numMaterialized"] < one["numPartitions"]]

    def _wait_until_loaded(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                if self.query("{ assetNodes { id } }")["assetNodes"]:
                    return
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"`dg dev` did not start:\n{self._log.read_text()}")


def _command(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
