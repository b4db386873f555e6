"""`dagster dev` as a user starts it, with a home of its own, against a sandbox; everything of it ends with it."""

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
    """The UI and the daemon, while it is entered.

    Attributes:
        asana: What it syncs.
        data_dir: Where the tables are.
        url: Of the UI.
    """

    def __init__(
        self, asana: Sandbox, directory: Path, settings: Mapping[str, str], *, stopped_sensors: Sequence[str] = ()
    ) -> None:
        """Prepare it.

        Args:
            asana: What to sync.
            directory: For all it writes.
            settings: Beside those that name the sandbox.
            stopped_sensors: Of those that run by default, which do not.
        """
        self.asana = asana
        self.data_dir = directory / "asana_data"
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._home = directory / "dagster_home"
        self._log = directory / "dagster_dev.log"
        self._stopped_sensors = stopped_sensors
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "DAGSTER_HOME": str(self._home),
            "ASANA_BASE_URL": asana.url,
            "ASANA_ACCESS_TOKEN": asana.token,
            "ASANA_DATA_DIR": str(self.data_dir),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._home.mkdir()
        shutil.copy(PROJECT / "dagster.yaml", self._home)
        for name in self._stopped_sensors:
            self.run("dagster", "sensor", "stop", name)
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 # Dagster's own command
                [_command("dagster"), "dev", "--host", "127.0.0.1", "--port", str(self._port)],
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
        """End the whole group: the webserver, the daemon, the code server and the runs."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGKILL):  # who was started ignoring the first does not ignore the second
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)

    def run(self, command: str, *arguments: str) -> None:
        """Run one of this environment's commands beside it, with the same settings.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(  # noqa: S603 # Dagster's own command, or ours
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
        """Ask the GraphQL of the UI, to find out how things are; what a user does is done by clicking.

        Raises:
            RuntimeError: the answer has errors.
            OSError: there is no answer.
        """
        request = urllib.request.Request(  # noqa: S310 # loopback
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 # as above
            answer = json.load(response)
        if "errors" in answer:
            raise RuntimeError(answer["errors"])
        return answer["data"]

    def partitions(self) -> list[str]:
        """Give the workspaces that are registered."""
        answer = self.query("{ assetNodes { assetKey { path } partitionKeys } }")
        return next(node["partitionKeys"] for node in answer["assetNodes"] if node["assetKey"]["path"] == ["tasks"])

    def missing(self) -> list[str]:
        """Give the assets of which some registered workspace is not materialized."""
        answer = self.query("{ assetNodes { assetKey { path } partitionStats { numPartitions numMaterialized } } }")
        stats = {node["assetKey"]["path"][-1]: node["partitionStats"] for node in answer["assetNodes"]}
        return [name for name, one in stats.items() if one and one["numMaterialized"] < one["numPartitions"]]

    def _wait_until_loaded(self, process: "subprocess.Popen[bytes]") -> None:
        give_up_at = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < give_up_at:
            with suppress(OSError):
                if self.query("{ assetNodes { id } }")["assetNodes"]:
                    return
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"`dagster dev` does not run:\n{self._log.read_text()}")


def _command(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
