"""Converts known errors to `dagster.Failure`: a sentence, a remedy and metadata instead of a traceback."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from asana_assets.asana import errors
from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.model import Endpoint
from asana_assets.lake.errors import CatalogUnavailableError, ConflictError, LakeError
from asana_assets.sync.failure_policy import SystematicFailureError
from asana_assets.sync.parents import UnknownWorkspaceError

TOKEN_REJECTED = "Asana rejected the token"  # noqa: S105 - a reason, not a token
"""Why assets are not started after a 401."""

NOT_STARTED_KEY = "not_started"
"""Metadata of a failure for which the asset sent no request; its value is the reason."""

ENDS_RUN_KEY = "ends_run"
"""Metadata of a failure that every other asset of the run would have as well; its value is the reason."""

UNKNOWN_WORKSPACE = "the workspace is not one of the token's"
"""The reason if only runs of this workspace would have the failure."""

POLL_FAILED = "Polling Asana failed."
"""How the skip reason of a sensor starts that could not poll Asana."""

_RETRY = "Stored rows are kept. Check ASANA_BASE_URL and the network, then materialize the asset again."
_LARGE_LISTING = (
    " If only this listing of a large workspace keeps failing, Asana cannot produce it in time, although smaller pages "
    "were tried: materialize it at a quiet time, ask Asana's support, or leave the workspace out of ASANA_WORKSPACES."
)

_REMEDIES: tuple[tuple[type[errors.AsanaError], str], ...] = (
    (
        errors.UnauthorizedError,
        "Check the token in ASANA_ACCESS_TOKEN, or in the secret that ASANA_TOKEN_SECRET_ID names.",
    ),
    (
        UnknownWorkspaceError,
        (
            "Stored rows are kept. To sync it, check that the token's user belongs to it and that ASANA_WORKSPACES "
            f"does not leave it out, then materialize {WORKSPACES.name}."
        ),
    ),
    (errors.NotFoundError, "Check ASANA_BASE_URL, and whether the token's user still belongs to the workspace."),
    (
        errors.RedirectError,
        "Asana's API does not redirect: a proxy or a sign-in page responded. The token was not forwarded.",
    ),
    (
        errors.TruncatedListingError,
        "Stored rows are kept. Materialize the asset again; if the error persists, ask Asana's support.",
    ),
    (
        errors.ContractError,
        "Materialize the asset again. If the error persists, report a bug: Asana's API may have changed.",
    ),
)


_NO_ASSET_AT_FAULT = (
    errors.ConfigurationError,
    errors.UnauthorizedError,
    CatalogUnavailableError,
    UnknownWorkspaceError,
)
"""Errors of the installation or the workspace: their messages do not start with the asset that met them first."""


def find_remedy(error: errors.AsanaError | LakeError, endpoint: Endpoint | None) -> str:
    """Return what to do about an error of one of the endpoint's requests, as full sentences; "" if that is unknown."""
    match error:
        case errors.ForbiddenError():
            return _permission_remedy(endpoint)
        case errors.PlanLimitError():
            needed = f"; it needs {endpoint.plan}" if endpoint and endpoint.plan else ""
            return f"The workspace's plan does not include it{needed}."
        case errors.TransientError():
            return _RETRY + (_LARGE_LISTING if endpoint and _is_listed_by_workspace(endpoint) else "")
        case _:
            return next((remedy for error_class, remedy in _REMEDIES if isinstance(error, error_class)), "")


def to_failure(
    error: errors.AsanaError | LakeError, *, endpoint: str, workspace_gid: str, workspace_name: str = ""
) -> dg.Failure:
    """Build the failure of an endpoint's materialization. Only transient errors and commit conflicts are retried."""
    known = next((known for known in ENDPOINTS if known.name == endpoint), None)
    message = str(error)
    if isinstance(error, SystematicFailureError) and isinstance(error.__cause__, errors.AsanaError):
        error = error.__cause__
    metadata: dict[str, dg.MetadataValue] = {"endpoint": dg.MetadataValue.text(endpoint)}
    if workspace_gid:
        metadata["workspace"] = dg.MetadataValue.text(workspace_gid)
    if isinstance(error, errors.PermanentError):
        metadata["method"] = dg.MetadataValue.text(error.method)
    if isinstance(error, errors.PermanentError | errors.TruncatedListingError):
        metadata |= {
            "path": dg.MetadataValue.text(error.template),
            "status": dg.MetadataValue.int(error.status),
            "asana_message": dg.MetadataValue.text(error.reason),
        }
    if isinstance(error, errors.UnauthorizedError):
        metadata[ENDS_RUN_KEY] = dg.MetadataValue.text(TOKEN_REJECTED)
        # The client sends nothing more and raises the same error to every asset of the run.
        if known and error.template not in _paths(known):
            metadata[NOT_STARTED_KEY] = dg.MetadataValue.text(TOKEN_REJECTED)
    elif isinstance(error, errors.ConfigurationError):
        metadata[ENDS_RUN_KEY] = dg.MetadataValue.text("a setting is missing or invalid")
    elif isinstance(error, UnknownWorkspaceError):
        metadata[ENDS_RUN_KEY] = dg.MetadataValue.text(UNKNOWN_WORKSPACE)
    subject = f"{endpoint} of workspace {workspace_name or workspace_gid}" if workspace_gid else endpoint
    return dg.Failure(
        description=explain(error)
        if isinstance(error, _NO_ASSET_AT_FAULT)
        else _sentences(f"{subject}: {message}", find_remedy(error, known)),
        metadata=metadata,
        allow_retries=isinstance(error, errors.TransientError | ConflictError),
    )


def explain(error: errors.AsanaError | LakeError) -> str:
    """Return what happened and what to do about it, in sentences; the same wherever the error is reported."""
    message = str(error).rstrip(".")
    if isinstance(error, errors.UnauthorizedError):
        message = f"{TOKEN_REJECTED} ({message})"
    return _sentences(message[:1].upper() + message[1:], find_remedy(error, None))


def _sentences(message: str, remedy: str) -> str:
    return f"{message.rstrip('.')}.{f' {remedy}' if remedy else ''}"


def failure_causes(events: Sequence[dg.DagsterEvent]) -> list[str]:
    """Return the reasons that failed steps reported, without those of assets that were not started because of them."""
    reasons: dict[str, None] = {}
    consequences: list[str] = []
    for event in events:
        step = event.step_failure_data
        failure = step.user_failure_data
        if failure and failure.description and NOT_STARTED_KEY in (failure.metadata or {}):
            consequences.append(failure.description)
        else:
            reasons[(failure and failure.description) or root_cause(step.error)] = None
    return list(reasons) or consequences[:1]


def root_cause(error: SerializableErrorInfo | None) -> str:
    """Describe an unexpected error by its root cause."""
    while error and error.cause:
        error = error.cause
    if error is None:
        return "the step failed"
    message = error.message.strip().splitlines()[-1]
    name = str(error.cls_name)  # the first line of the message starts with it, and perhaps with its module
    return message if message.partition(":")[0].endswith(name) else f"{name}: {message}"


@contextmanager
def dagster_failures(*, endpoint: str, workspace_gid: str, workspace_name: str = "") -> Generator[None]:
    """Convert an `AsanaError` or a `LakeError` raised in the block to a `Failure` that names the workspace."""
    try:
        yield
    except (errors.AsanaError, LakeError, dg.Failure) as error:
        failure = (
            error
            if isinstance(error, dg.Failure)
            else to_failure(error, endpoint=endpoint, workspace_gid=workspace_gid, workspace_name=workspace_name)
        )
        if workspace_name and failure.description:
            failure.description = failure.description.replace(f"orkspace {workspace_gid}", f"orkspace {workspace_name}")
        raise failure from None


def _permission_remedy(endpoint: Endpoint | None) -> str:
    scope = f"the scope {endpoint.oauth_scope}" if endpoint and endpoint.oauth_scope else "full permissions"
    return (
        f"The token's user lacks the permission for it or, if it is an OAuth token, the token lacks {scope}. Ask an "
        "admin of the workspace for access, use another token, or do not materialize this asset."
    )


def _paths(endpoint: Endpoint) -> set[str]:
    """Return the path templates of the endpoint's requests."""
    listings = [*endpoint.listings, *([endpoint.search] if endpoint.search else [])]
    counts = [listing.count_field[0] for listing in listings if listing.count_field]
    return {*(listing.path for listing in listings), *counts, endpoint.record_path or ""}


def _is_listed_by_workspace(endpoint: Endpoint) -> bool:
    return any(listing.parent is WORKSPACES for listing in endpoint.listings)
