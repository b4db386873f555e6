"""AWS for tests: moto's server on the loopback interface, in this process but reachable by others."""

import secrets
from typing import Self

import boto3
import requests
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

REGION = "eu-central-1"


class Aws:
    """Glue, S3 and the rest of AWS as a context manager. Accepts every access key by default."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.access_key_id = "test"
        self.secret_access_key = secrets.token_hex()
        self._server = ThreadedMotoServer(ip_address=self.host, port=0)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    def reset(self) -> None:
        """Delete everything in the account."""
        requests.post(f"{self.url}/moto-api/reset", timeout=10).raise_for_status()

    def create_bucket(self) -> str:
        """Create an empty bucket and return its name."""
        name = f"bucket-{secrets.token_hex(8)}"
        s3 = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        )
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def environment(self, bucket: str) -> dict[str, str]:
        """Return the environment variables of PyIceberg's catalog `asana`: Glue, with data files in the bucket."""
        return {
            "PYICEBERG_CATALOG__ASANA__TYPE": "glue",
            "PYICEBERG_CATALOG__ASANA__WAREHOUSE": f"s3://{bucket}/asana",
            "PYICEBERG_CATALOG__ASANA__CLIENT__REGION": REGION,
            "PYICEBERG_CATALOG__ASANA__CLIENT__ACCESS_KEY_ID": self.access_key_id,
            "PYICEBERG_CATALOG__ASANA__CLIENT__SECRET_ACCESS_KEY": self.secret_access_key,
            "PYICEBERG_CATALOG__ASANA__GLUE__ENDPOINT": self.url,
            "PYICEBERG_CATALOG__ASANA__S3__ENDPOINT": self.url,
        }
