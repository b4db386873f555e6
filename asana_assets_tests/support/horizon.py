"""A fake of Snowflake's Horizon catalog: its paths, tokens, configuration, restrictions and name case.

Written from Snowflake's documentation, not from what PyIceberg sends. Requests that Horizon does not restrict are
forwarded to a real REST catalog with lower-case names, which vends real credentials. A rejected request gets a 4xx
response whose message states the rule.
"""

import json
import secrets
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self, cast
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from asana_assets_tests.support.seaweedfs_server import Seaweed

ROOT = "/polaris/api/catalog"
DATABASE = "ASANA"
ROLE = "ASANA_WRITER"
_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"


@dataclass
class Horizon:
    """The server, as a context manager.

    Attributes:
        backend: Server of the REST catalog that requests are forwarded to.
        bucket: Bucket of the backend.
        public_key: Key that verifies key-pair tokens. Without it, they are rejected.
        pat: Valid programmatic access token, restricted to the role.
        privileges: Privileges of the role. Requests that need one that is missing are rejected.
        log: Method and path of each request, such as `POST /v1/oauth/tokens`.
        rejections: Messages of the rejected requests.
        tokens: Valid access tokens.
    """

    backend: Seaweed
    bucket: str
    public_key: RSAPublicKey | None = None
    pat: str = field(default_factory=secrets.token_hex)
    privileges: set[str] = field(default_factory=lambda: {"schema", "create", "write", "own"})
    log: list[str] = field(default_factory=list[str])
    rejections: list[str] = field(default_factory=list[str])
    tokens: set[str] = field(default_factory=set[str])

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"horizon": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self._session = requests.Session()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._session.close()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{ROOT}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that docs/destinations.md lists, with the address of this server."""
        return {
            "PYICEBERG_CATALOG__ASANA__TYPE": "rest",
            "PYICEBERG_CATALOG__ASANA__URI": self.uri,
            "PYICEBERG_CATALOG__ASANA__OAUTH2_SERVER_URI": f"{self.uri}/v1/oauth/tokens",
            "PYICEBERG_CATALOG__ASANA__WAREHOUSE": DATABASE,
            "PYICEBERG_CATALOG__ASANA__CREDENTIAL": self.pat,
            "PYICEBERG_CATALOG__ASANA__SCOPE": f"session:role:{ROLE}",
        }

    @contextmanager
    def without(self, *privileges: str) -> Generator[None]:
        """Revoke privileges of the role inside the `with` block."""
        self.privileges.difference_update(privileges)
        try:
            yield
        finally:
            self.privileges.update(privileges)

    def respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        url = urlsplit(target)
        path = url.path.removeprefix(ROOT)
        self.log.append(f"{method} {path}")
        try:
            if path == "/v1/oauth/tokens":
                return 200, json.dumps(self._issue_token(parse_qs(body.decode()))).encode()
            self._check_token(headers)
            if path == "/v1/config":
                return 200, json.dumps(_config(parse_qs(url.query))).encode()
            return self._forward(method, path, url.query, headers, body)
        except _OAuthError as error:
            self.rejections.append(error.description)
            return error.status, json.dumps({"error": error.code, "error_description": error.description}).encode()
        except _RejectedError as error:
            self.rejections.append(str(error))
            content = {"message": str(error), "type": error.error_type, "code": error.status}
            return error.status, json.dumps({"error": content}).encode()

    def _check_token(self, headers: dict[str, str]) -> None:
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise _RejectedError(401, "NotAuthorizedException", "the access token is unknown or has expired")

    def _issue_token(self, form: dict[str, list[str]]) -> dict[str, object]:
        fields = {name: values[0] for name, values in form.items()}
        if fields.get("grant_type") != "client_credentials" or "client_id" in fields:
            raise _OAuthError(400, "invalid_request", "a client_credentials grant without client_id is required")
        credential = fields.get("client_secret", "")
        if not (secrets.compare_digest(credential, self.pat) or self._is_valid_key_pair_token(credential)):
            raise _OAuthError(401, "invalid_client", "the credential is invalid or has expired")
        if fields.get("scope") != f"session:role:{ROLE}":
            raise _OAuthError(400, "invalid_scope", "the scope names no role that was granted to the user")
        token = secrets.token_hex()
        self.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "issued_token_type": _TOKEN_TYPE, "expires_in": 3600}

    def _is_valid_key_pair_token(self, credential: str) -> bool:
        """Return whether the credential is a valid key-pair token: RS256, with a lifetime of at most an hour."""
        if self.public_key is None:
            return False
        try:
            claims = jwt.decode(
                credential, self.public_key, ["RS256"], options={"require": ["iss", "sub", "iat", "exp"]}
            )
        except jwt.InvalidTokenError:
            return False
        return claims["iss"].startswith(f"{claims['sub']}.SHA256:") and claims["exp"] - claims["iat"] <= 3600

    def _forward(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        parts = path.strip("/").split("/")
        if parts[:2] != ["v1", DATABASE]:
            raise _RejectedError(404, "NotFoundException", f"database {parts[1]} does not exist")
        names = [part for part in parts[3::2] if part]
        _check_case(names)
        content = json.loads(body) if body else None
        if content is not None:
            self._check_request(method, parts, content)
        backend_parts = [part.lower() if at >= 3 and at % 2 else part for at, part in enumerate(parts[2:], 2)]
        response = self._session.request(
            method,
            f"{self.backend.uri}/v1/{self.bucket}/{'/'.join(backend_parts)}" + (f"?{query}" if query else ""),
            headers={
                "Authorization": f"Bearer {self._backend_token()}",
                "Content-Type": "application/json",
                "X-Iceberg-Access-Delegation": headers.get("x-iceberg-access-delegation", ""),
            },
            data=json.dumps(_with_lower_case_names(content)).encode() if content is not None else None,
            timeout=30,
        )
        return response.status_code, response.content

    def _check_request(self, method: str, parts: list[str], content: dict[str, Any]) -> None:
        """Raise for a request that Horizon rejects."""
        if method == "POST" and parts[-1] == "namespaces":
            self._require("schema", "CREATE SCHEMA")
            _check_case(content["namespace"])
        elif method == "POST" and parts[-1] == "tables":
            self._require("create", "CREATE ICEBERG TABLE")
            if "location" in content:
                raise _RejectedError(400, "BadRequestException", "a location may not be specified")
            if content.get("stage-create"):
                raise _RejectedError(400, "BadRequestException", "staged creation is not supported")
            if content.get("properties", {}).get("format-version") == "3":
                raise _RejectedError(400, "BadRequestException", "only format version 2 is supported")
            _check_case([content["name"], *_column_names(content["schema"])])
        elif method == "POST" and len(parts) == 6 and parts[4] == "tables":
            self._check_commit(content)
        else:
            raise _RejectedError(400, "BadRequestException", f"{method} {'/'.join(parts[3:])} is not supported")

    def _check_commit(self, content: dict[str, Any]) -> None:
        self._require("write", "INSERT, UPDATE, DELETE and TRUNCATE")
        updates = cast("list[dict[str, Any]]", content["updates"])
        new = {update["snapshot"]["snapshot-id"] for update in updates if update["action"] == "add-snapshot"}
        for update in updates:
            match update["action"]:
                case "add-schema":
                    self._require("own", "OWNERSHIP")
                    _check_case(_column_names(update["schema"]))
                case "set-snapshot-ref" if update["ref-name"] != "main":
                    raise _RejectedError(400, "BadRequestException", "branches and tags are not supported")
                case "set-snapshot-ref" if update["snapshot-id"] not in new:
                    raise _RejectedError(400, "BadRequestException", "rollback is not supported")
                case "remove-snapshots" | "remove-snapshot-ref":
                    raise _RejectedError(400, "BadRequestException", "snapshots are maintained by Snowflake")
                case "set-location" | "upgrade-format-version" | "assign-uuid":
                    raise _RejectedError(400, "BadRequestException", f"{update['action']} is not supported")
                case _:
                    pass

    def _require(self, privilege: str, description: str) -> None:
        if privilege not in self.privileges:
            raise _RejectedError(403, "ForbiddenException", f"the role {ROLE} lacks the privilege {description}")

    def _backend_token(self) -> str:
        name, secret = self.backend.writer.split(":")
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret, "scope": "catalog"}
        return str(
            self._session.post(f"{self.backend.uri}/v1/oauth/tokens", data=form, timeout=30).json()["access_token"]
        )


class _RejectedError(Exception):
    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error_type = status, error_type


class _OAuthError(Exception):
    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(description)
        self.status, self.code, self.description = status, code, description


class _Handler(BaseHTTPRequestHandler):
    horizon: ClassVar[Horizon]
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, body = self.horizon.respond(self.command, self.path, headers, self.rfile.read(length))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815 - names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Print nothing; `Horizon.log` has the request."""


def _config(query: dict[str, list[str]]) -> dict[str, object]:
    [warehouse] = query.get("warehouse", [""])
    if warehouse != DATABASE:
        raise _RejectedError(404, "NotFoundException", f"database {warehouse} does not exist")
    return {"defaults": {}, "overrides": {"prefix": DATABASE}}


def _check_case(names: Iterable[str]) -> None:
    """Raise for names that are not in upper case: SQL finds them only if they are quoted."""
    for name in names:
        if name != name.upper():
            raise _RejectedError(400, "BadRequestException", f"the name {name} is not in upper case")


def _column_names(schema: dict[str, Any]) -> list[str]:
    return [str(column["name"]) for column in schema["fields"]]


def _with_lower_case_names(content: dict[str, Any]) -> dict[str, Any]:
    """Return a request body with names of namespaces and tables in lower case, as the backend has them."""
    body = dict(content)
    if "namespace" in body:
        body["namespace"] = [name.lower() for name in body["namespace"]]
    if "name" in body:
        body["name"] = body["name"].lower()
    if "identifier" in body:
        body["identifier"] = _with_lower_case_names(body["identifier"])
    return body


def key_pair_token(private_key: Any, fingerprint: str, *, seconds: int, now: float | None = None) -> str:
    """Sign a key-pair token as Snowflake's own tools do."""
    issued_at = int(time.time() if now is None else now)
    subject = "ACCOUNT.ASANA_SVC"
    claims = {"iss": f"{subject}.SHA256:{fingerprint}", "sub": subject, "iat": issued_at, "exp": issued_at + seconds}
    return jwt.encode(claims, private_key, algorithm="RS256")
