"""Who a token is and what it reaches; and putting it where the code location finds it."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dotenv
import msgspec

from asana_assets.asana.client import Client, Request, Usage
from asana_assets.asana.endpoints import ENDPOINTS, SEARCH, WORKSPACES
from asana_assets.asana.errors import PermanentError, SettingError, UnauthorizedError
from asana_assets.resources import AsanaResource, secrets_manager
from asana_assets.sync.asking import ask

DOTENV = Path(".env")
"""In the working directory, where `dagster dev` looks for it, too."""

_LONG_AGO = {"modified_at.after": "2999-01-01T00:00:00Z"}


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
    refused: Mapping[str, int]

    @property
    def words(self) -> str:
        """What it is and what it answers, in a line."""
        kind = "organization" if self.is_organization else "workspace"
        plan = "free plan" if self.refused.get("search") == 402 else "paid plan"  # noqa: PLR2004 # Payment Required
        others = [f"{name} {status}" for name, status in self.refused.items() if name != "search"]
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


class _Named(msgspec.Struct):
    gid: str
    name: str = ""
    is_organization: bool | None = None


class _Page(msgspec.Struct):
    data: list[_Named]


def look(asana: AsanaResource) -> Account:
    """Ask Asana who the token is, and once for each kind of object in each workspace.

    Raises:
        AsanaError: Asana does not answer, or turns the token down.
    """
    usage, stop = Usage(), threading.Event()
    with asana.quick_client() as client:
        me = client.record(Request(template="/users/me"), opt_fields="name,email", usage=usage, stop=stop)
        [user] = msgspec.json.decode(me.body, type=_Users).data
        listed = client.pages(
            Request(template=WORKSPACES.listings[0].path), opt_fields="name,is_organization", usage=usage, stop=stop
        )
        found = [one for page in listed for one in msgspec.json.decode(page.body, type=_Page).data]
        workspaces = [
            Workspace(
                gid=one.gid,
                name=one.name,
                is_organization=bool(one.is_organization),
                refused=_refused(client, one, usage, stop),
            )
            for one in found
        ]
    return Account(name=user.name, email=user.email or "", workspaces=workspaces)


def _refused(client: Client, workspace: _Named, usage: Usage, stop: threading.Event) -> dict[str, int]:
    questions = {"search": Request(template=SEARCH, values={"workspace": workspace.gid}, params=_LONG_AGO)}
    for endpoint in ENDPOINTS:
        for listing in endpoint.listings:
            if listing.parent is WORKSPACES and (workspace.is_organization or not listing.where):
                questions[endpoint.name] = ask(listing, workspace.gid, workspace.gid).request
    refused: dict[str, int] = {}
    for name, request in questions.items():
        one = Request(template=request.template, values=request.values, params={**request.params, "limit": "1"})
        try:
            next(client.pages(one, opt_fields="gid", usage=usage, stop=stop))
        except UnauthorizedError:
            raise
        except PermanentError as error:
            refused[name] = error.status
    return refused


def keep(token: str, environment: Mapping[str, str]) -> str:
    """Put the token where the settings say; give the place, in words.

    Raises:
        SettingError: it cannot be put there.
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
        raise SettingError(f"the token cannot be kept in {DOTENV.absolute()}: {error.strerror}") from None
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
