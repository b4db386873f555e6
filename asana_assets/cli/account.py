"""Who a token is and what it reaches; and putting it where the code location finds it."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dotenv
import msgspec

from asana_assets.asana.client import ApiRequest, Client, RequestStats
from asana_assets.asana.endpoints import ENDPOINTS, TASK_SEARCH_PATH, WORKSPACES
from asana_assets.asana.errors import ConfigurationError, PermanentError, UnauthorizedError
from asana_assets.defs.resources import AsanaResource
from asana_assets.defs.secrets import secrets_manager
from asana_assets.sync.parents import listing_request

DOTENV = Path(".env")
"""In the working directory, where `dagster dev` looks for it, too."""

_FAR_FUTURE = {"modified_at.after": "2999-01-01T00:00:00Z"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A workspace of the token.

    Attributes:
        gid: Its identifier.
        name: As people call it.
        is_organization: Whether it has teams.
        refused: What is not answered: an endpoint, or "search", and the status, as 402 for what the plan does not have.
    """

    gid: str
    name: str
    is_organization: bool
    unavailable: Mapping[str, int]

    @property
    def summary(self) -> str:
        """What it is and what it answers, in a line."""
        kind = "organization" if self.is_organization else "workspace"
        plan = "free plan" if self.unavailable.get("search") == 402 else "paid plan"  # noqa: PLR2004 # Payment Required
        others = [f"{name} {status}" for name, status in self.unavailable.items() if name != "search"]
        refused = f"; refused: {', '.join(others)}" if others else ""
        return f"{kind} {self.name} ({self.gid}), {plan}{refused}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose token it is, and its workspaces."""

    name: str
    email: str
    workspaces: list[Workspace]


class _User(msgspec.Struct):
    name: str = ""
    email: str | None = None


class _Users(msgspec.Struct):
    data: list[_User]


class _WorkspaceRecord(msgspec.Struct):
    gid: str
    name: str = ""
    is_organization: bool | None = None


class _Page(msgspec.Struct):
    data: list[_WorkspaceRecord]


def inspect_account(asana: AsanaResource) -> Account:
    """Ask Asana who the token is, and once for each kind of object in each workspace.

    Raises:
        AsanaError: Asana does not answer, or turns the token down.
    """
    usage, stop = RequestStats(), threading.Event()
    with asana.short_timeout_client() as client:
        me = client.get_record(ApiRequest(template="/users/me"), opt_fields="name,email", usage=usage, stop=stop)
        [user] = msgspec.json.decode(me.body, type=_Users).data
        listed = client.iter_pages(
            ApiRequest(template=WORKSPACES.listings[0].path), opt_fields="name,is_organization", usage=usage, stop=stop
        )
        found = [one for page in listed for one in msgspec.json.decode(page.body, type=_Page).data]
        workspaces = [
            Workspace(
                gid=one.gid,
                name=one.name,
                is_organization=bool(one.is_organization),
                unavailable=_refused(client, one, usage, stop),
            )
            for one in found
        ]
    return Account(name=user.name, email=user.email or "", workspaces=workspaces)


def _refused(client: Client, workspace: _WorkspaceRecord, usage: RequestStats, stop: threading.Event) -> dict[str, int]:
    questions = {
        "search": ApiRequest(template=TASK_SEARCH_PATH, values={"workspace": workspace.gid}, params=_FAR_FUTURE)
    }
    for endpoint in ENDPOINTS:
        for listing in endpoint.listings:
            if listing.parent is WORKSPACES and (workspace.is_organization or not listing.only_if):
                questions[endpoint.name] = listing_request(listing, workspace.gid, workspace.gid).api_request
    refused: dict[str, int] = {}
    for name, request in questions.items():
        one = ApiRequest(template=request.template, values=request.values, params={**request.params, "limit": "1"})
        try:
            next(client.iter_pages(one, opt_fields="gid", usage=usage, stop=stop))
        except UnauthorizedError:
            raise
        except PermanentError as error:
            refused[name] = error.status
    return refused


def save_token(token: str, environment: Mapping[str, str]) -> str:
    """Put the token where the settings say; give the place, in words.

    Raises:
        ConfigurationError: it cannot be put there.
    """
    secret_id = environment.get("ASANA_TOKEN_SECRET_ID")
    if secret_id:
        _keep_in_secrets_manager(secret_id, token)
        return f"AWS Secrets Manager, in the secret {secret_id} under the key `token`"
    try:
        os.close(os.open(DOTENV, os.O_CREAT | os.O_RDONLY, 0o600))
        DOTENV.chmod(0o600)  # before the token is in it, should it have been there already
        dotenv.set_key(DOTENV, "ASANA_ACCESS_TOKEN", token)
    except OSError as error:
        raise ConfigurationError(f"the token cannot be kept in {DOTENV.absolute()}: {error.strerror}") from None
    return f"{DOTENV.absolute()}, readable by you alone"


def _keep_in_secrets_manager(secret_id: str, token: str) -> None:
    with secrets_manager(secret_id) as client:
        try:
            found = client.get_secret_value(SecretId=secret_id)
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=secret_id, SecretString=_secret({}, token))
            return
        try:
            kept = msgspec.json.decode(found.get("SecretString", ""))
        except msgspec.DecodeError:  # binary, or the bare token
            kept = None
        others = kept if isinstance(kept, dict) else {}
        client.put_secret_value(SecretId=secret_id, SecretString=_secret(others, token))


def _secret(others: Mapping[str, object], token: str) -> str:
    return msgspec.json.encode({**others, "token": token}).decode()
