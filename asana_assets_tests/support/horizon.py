"""A stand-in for Snowflake's Horizon catalog: its address, tokens, configuration, prohibitions and case rule.

Written from Snowflake's documentation, not from what PyIceberg sends. Behind it stands a real REST catalog with
lower-case names that vends real credentials; what is no business of Horizon's own passes through to that. A refusal
is an answer of 4xx whose message says the rule.
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
_TOKEN_KIND = "urn:ietf:params:oauth:token-type:access_token"  # a kind, no token


@dataclass
class Horizon:
    """The server, while it is entered.

    Attributes:
        pat: A programmatic access token that is let in, restricted to the role.
        public_key: Whose key-pair tokens are let in, too.
        privileges: Of the role; taken one away, what needs it is refused.
        log: Method and path of each request, as `POST /v1/oauth/tokens`.
        refused: What was refused, in its own words.
    """

    backend: Seaweed
    bucket: str
    public_key: RSAPublicKey | None = None
    pat: str = field(default_factory=secrets.token_hex)
    privileges: set[str] = field(default_factory=lambda: {"schema", "create", "write", "own"})
    log: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
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
        """Give what docs/destinations.md has a user set, but for the address."""
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
        """Take privileges from the role meanwhile."""
        self.privileges.difference_update(privileges)
        try:
            yield
        finally:
            self.privileges.update(privileges)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        url = urlsplit(target)
        path = url.path.removeprefix(ROOT)
        self.log.append(f"{method} {path}")
        try:
            if path == "/v1/oauth/tokens":
                return 200, json.dumps(self._token(parse_qs(body.decode()))).encode()
            self._check_token(headers)
            if path == "/v1/config":
                return 200, json.dumps(_config(parse_qs(url.query))).encode()
            return self._pass_on(method, path, url.query, headers, body)
        except _OAuthError as error:
            self.refused.append(error.description)
            return error.status, json.dumps({"error": error.word, "error_description": error.description}).encode()
        except _RefusedError as error:
            self.refused.append(error.sentence)
            answer = {"message": error.sentence, "type": error.kind, "code": error.status}
            return error.status, json.dumps({"error": answer}).encode()

    def _check_token(self, headers: dict[str, str]) -> None:
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise _RefusedError(401, "NotAuthorizedException", "the access token is unknown or has expired")

    def _token(self, form: dict[str, list[str]]) -> dict[str, object]:
        given = {name: values[0] for name, values in form.items()}
        if given.get("grant_type") != "client_credentials" or "client_id" in given:
            raise _OAuthError(400, "invalid_request", "a client_credentials grant without client_id is wanted")
        credential = given.get("client_secret", "")
        if not (secrets.compare_digest(credential, self.pat) or self._signed(credential)):
            raise _OAuthError(401, "invalid_client", "the credential is invalid or has expired")
        if given.get("scope") != f"session:role:{ROLE}":
            raise _OAuthError(400, "invalid_scope", "the scope names no role that was granted to the user")
        token = secrets.token_hex()
        self.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "issued_token_type": _TOKEN_KIND, "expires_in": 3600}

    def _signed(self, credential: str) -> bool:
        """Whether it is a key-pair token: RS256, of at most an hour."""
        if self.public_key is None:
            return False
        try:
            claims = jwt.decode(
                credential, self.public_key, ["RS256"], options={"require": ["iss", "sub", "iat", "exp"]}
            )
        except jwt.InvalidTokenError:
            return False
        return claims["iss"].startswith(f"{claims['sub']}.SHA256:") and claims["exp"] - claims["iat"] <= 3600

    def _pass_on(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        parts = path.strip("/").split("/")
        if parts[:2] != ["v1", DATABASE]:
            raise _RefusedError(404, "NotFoundException", f"there is no database {parts[1]}")
        names = [part for part in parts[3::2] if part]
        _check_case(names)
        content = json.loads(body) if body else None
        if content is not None:
            self._check(method, parts, content)
        lowered = [part.lower() if at >= 3 and at % 2 else part for at, part in enumerate(parts[2:], 2)]
        answer = self._session.request(
            method,
            f"{self.backend.uri}/v1/{self.bucket}/{'/'.join(lowered)}" + (f"?{query}" if query else ""),
            headers={
                "Authorization": f"Bearer {self._backend_token()}",
                "Content-Type": "application/json",
                "X-Iceberg-Access-Delegation": headers.get("x-iceberg-access-delegation", ""),
            },
            data=json.dumps(_lowered(content)).encode() if content is not None else None,
            timeout=30,
        )
        return answer.status_code, answer.content

    def _check(self, method: str, parts: list[str], content: dict[str, Any]) -> None:
        """Refuse what Horizon refuses."""
        if method == "POST" and parts[-1] == "namespaces":
            self._needs("schema", "CREATE SCHEMA")
            _check_case(content["namespace"])
        elif method == "POST" and parts[-1] == "tables":
            self._needs("create", "CREATE ICEBERG TABLE")
            if "location" in content:
                raise _RefusedError(400, "BadRequestException", "a location may not be specified")
            if content.get("stage-create"):
                raise _RefusedError(400, "BadRequestException", "staged creation is not supported")
            if content.get("properties", {}).get("format-version") == "3":
                raise _RefusedError(400, "BadRequestException", "only version 2 is created here")
            _check_case([content["name"], *_columns(content["schema"])])
        elif method == "POST" and len(parts) == 6 and parts[4] == "tables":
            self._check_commit(content)
        else:
            raise _RefusedError(400, "BadRequestException", f"{method} {'/'.join(parts[3:])} is not supported")

    def _check_commit(self, content: dict[str, Any]) -> None:
        self._needs("write", "INSERT, UPDATE, DELETE and TRUNCATE")
        updates = cast("list[dict[str, Any]]", content["updates"])
        new = {update["snapshot"]["snapshot-id"] for update in updates if update["action"] == "add-snapshot"}
        for update in updates:
            match update["action"]:
                case "add-schema":
                    self._needs("own", "OWNERSHIP")
                    _check_case(_columns(update["schema"]))
                case "set-snapshot-ref" if update["ref-name"] != "main":
                    raise _RefusedError(400, "BadRequestException", "branches and tags are not supported")
                case "set-snapshot-ref" if update["snapshot-id"] not in new:
                    raise _RefusedError(400, "BadRequestException", "rollback is not supported")
                case "remove-snapshots" | "remove-snapshot-ref":
                    raise _RefusedError(400, "BadRequestException", "snapshots are maintained by Snowflake")
                case "set-location" | "upgrade-format-version" | "assign-uuid":
                    raise _RefusedError(400, "BadRequestException", f"{update['action']} is not supported")
                case _:
                    pass

    def _needs(self, privilege: str, words: str) -> None:
        if privilege not in self.privileges:
            raise _RefusedError(403, "ForbiddenException", f"the role {ROLE} lacks the privilege {words}")

    def _backend_token(self) -> str:
        name, secret = self.backend.writer.split(":")
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret, "scope": "catalog"}
        return str(
            self._session.post(f"{self.backend.uri}/v1/oauth/tokens", data=form, timeout=30).json()["access_token"]
        )


class _RefusedError(Exception):
    def __init__(self, status: int, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.kind, self.sentence = status, kind, sentence


class _OAuthError(Exception):
    def __init__(self, status: int, word: str, description: str) -> None:
        super().__init__(description)
        self.status, self.word, self.description = status, word, description


class _Handler(BaseHTTPRequestHandler):
    horizon: ClassVar[Horizon]
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, body = self.horizon.answer(self.command, self.path, headers, self.rfile.read(length))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815 # what http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its name in http.server
        """Say nothing; `Horizon.log` has it."""


def _config(query: dict[str, list[str]]) -> dict[str, object]:
    [warehouse] = query.get("warehouse", [""])
    if warehouse != DATABASE:
        raise _RefusedError(404, "NotFoundException", f"there is no database {warehouse}")
    return {"defaults": {}, "overrides": {"prefix": DATABASE}}


def _check_case(names: Iterable[str]) -> None:
    """Names of another case exist, but SQL finds them only in quotes: as good as lost."""
    for name in names:
        if name != name.upper():
            raise _RefusedError(400, "BadRequestException", f"the name {name} is not in upper case")


def _columns(schema: dict[str, Any]) -> list[str]:
    return [str(column["name"]) for column in schema["fields"]]


def _lowered(content: dict[str, Any]) -> dict[str, Any]:
    """Give a body as the catalog behind has it: names of namespaces and tables in lower case."""
    lowered = dict(content)
    if "namespace" in lowered:
        lowered["namespace"] = [name.lower() for name in lowered["namespace"]]
    if "name" in lowered:
        lowered["name"] = lowered["name"].lower()
    if "identifier" in lowered:
        lowered["identifier"] = _lowered(lowered["identifier"])
    return lowered


def key_pair_token(private_key: Any, fingerprint: str, *, seconds: int, now: float | None = None) -> str:
    """Give a token as Snowflake's own tools sign it."""
    at = int(time.time() if now is None else now)
    subject = "ACCOUNT.ASANA_SVC"
    claims = {"iss": f"{subject}.SHA256:{fingerprint}", "sub": subject, "iat": at, "exp": at + seconds}
    return jwt.encode(claims, private_key, algorithm="RS256")
