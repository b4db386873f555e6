"""The access token: whose it is, what it can access, and where it is saved."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dotenv
import msgspec

from asana_assets.asana.client import ApiRequest
from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.model import Endpoint
from asana_assets.asana.request_stats import RequestStats
from asana_assets.cli.endpoint_probe import SEARCH, EndpointProbe, Refusal
from asana_assets.defs.resources import AsanaResource
from asana_assets.defs.secrets import secrets_manager
from asana_assets.settings import ENV_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A workspace that the token can access.

    Attributes:
        gid: Its gid.
        name: Its display name.
        is_organization: Whether it has teams.
        refusals: The endpoints and features of the plan that cannot be fetched.
    """

    gid: str
    name: str
    is_organization: bool
    refusals: Sequence[Refusal]

    @property
    def is_paid(self) -> bool:
        """Whether the plan includes search, which only paid ones do."""
        return not any(refusal.name == SEARCH and refusal.is_plan_limit for refusal in self.refusals)

    @property
    def summary(self) -> str:
        """The type, the name, the plan and the unavailable endpoints, in one line."""
        kind = "organization" if self.is_organization else "workspace"
        plan = "paid plan" if self.is_paid else "free plan"
        endpoints = [f"{refusal.name} {refusal.reason}" for refusal in self.refusals if refusal.endpoint]
        unavailable = f"; unavailable: {', '.join(endpoints)}" if endpoints else ""
        return f"{kind} {self.name} ({self.gid}), {plan}{unavailable}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The token's owner and workspaces."""

    name: str
    email: str
    workspaces: list[Workspace]

    @property
    def owner(self) -> str:
        """The owner's name and, if known, email address."""
        return f"{self.name} <{self.email}>" if self.email else self.name

    @property
    def is_paid(self) -> bool:
        """Whether a workspace is on a paid plan, so that the token's rate is that of paid plans."""
        return any(workspace.is_paid for workspace in self.workspaces)


class _User(msgspec.Struct):
    gid: str
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


def inspect_account(
    asana: AsanaResource, endpoints: Sequence[Endpoint], on_workspace: Callable[[str], object] = lambda _: None
) -> Account:
    """Fetch the token's owner and workspaces, and try each endpoint in each workspace.

    Args:
        asana: Access with the token.
        endpoints: The endpoints to try, parents before children.
        on_workspace: Called with the name of each workspace before its endpoints are tried, which takes seconds.

    Raises:
        AsanaError: Asana is unreachable or rejects the token.
    """
    stats, stop = RequestStats(), threading.Event()
    columns = asana.column_choice
    fields = ",".join(["gid", *(name for name in ("name", "email") if not columns.hides("users", name))])
    with asana.short_timeout_client() as client:
        me = client.get_record(ApiRequest(template="/users/me"), opt_fields=fields, stats=stats, stop=stop)
        [user] = msgspec.json.decode(me.body, type=_Users).data
        pages = client.iter_pages(
            ApiRequest(template=WORKSPACES.listings[0].path), opt_fields="name,is_organization", stats=stats, stop=stop
        )
        records = [record for page in pages for record in msgspec.json.decode(page.body, type=_Page).data]
        workspaces: list[Workspace] = []
        for record in records:
            on_workspace(record.name or record.gid)
            is_organization = bool(record.is_organization)
            probe = EndpointProbe(
                client=client, endpoints=endpoints, workspace_gid=record.gid, is_organization=is_organization
            )
            refusals = probe.find_refusals()
            workspaces.append(
                Workspace(gid=record.gid, name=record.name, is_organization=is_organization, refusals=refusals)
            )
    return Account(name=user.name or user.gid, email=user.email or "", workspaces=workspaces)


def save_token(token: str, *, secret_id: str | None) -> str:
    """Save the token in the secret or, without one, in `.env`; return a description of the location.

    Raises:
        ConfigurationError: The location is not writable.
    """
    if secret_id:
        _save_in_secrets_manager(secret_id, token)
        return f"AWS Secrets Manager, in the secret {secret_id} under the key `token`"
    save_setting("ASANA_ACCESS_TOKEN", token)
    return f"{ENV_FILE.absolute()}, which only you can read"


def save_setting(name: str, value: str) -> None:
    """Save a setting in `.env`, which only its owner can read.

    Raises:
        ConfigurationError: The file is not writable.
    """
    path = ENV_FILE.absolute()
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
        path.chmod(0o600)  # in case the file existed; before a token is in it
        dotenv.set_key(path, name, value)
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be written to {path}: {error.strerror}") from None


def _save_in_secrets_manager(secret_id: str, token: str) -> None:
    """Set the key `token` of the secret, keeping its other keys; create the secret if it does not exist."""
    with secrets_manager(secret_id) as client:
        try:
            response = client.get_secret_value(SecretId=secret_id)
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=secret_id, SecretString=_with_token({}, token))
            return
        try:
            content = msgspec.json.decode(response.get("SecretString", ""))
        except msgspec.DecodeError:  # binary, or the bare token
            content = None
        existing = content if isinstance(content, dict) else {}
        client.put_secret_value(SecretId=secret_id, SecretString=_with_token(existing, token))


def _with_token(existing: Mapping[str, object], token: str) -> str:
    return msgspec.json.encode({**existing, "token": token}).decode()
