"""Converts known errors to `dagster.Failure`: a sentence, a remedy and metadata instead of a traceback."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from asana_assets.asana import errors
from asana_assets.lake.errors import ConflictError, LakeError

_REMEDIES: tuple[tuple[type[errors.AsanaError], str], ...] = (
    (
        errors.UnauthorizedError,
        "Check the token in ASANA_ACCESS_TOKEN, or in the secret that ASANA_TOKEN_SECRET_ID names.",
    ),
    (errors.NotFoundError, "Check ASANA_BASE_URL, and whether the token's user still belongs to the workspace."),
    (
        errors.ForbiddenError,
        "The token's user has no access. Ask an admin of the workspace for it, or do not materialize this asset.",
    ),
    (
        errors.TransientError,
        "Stored rows are kept. Check ASANA_BASE_URL and the network, then materialize the asset again.",
    ),
    (
        errors.ContractError,
        "Materialize the asset again. If the error persists, report a bug: Asana's API may have changed.",
    ),
)


def to_failure(error: errors.AsanaError | LakeError, *, endpoint: str, workspace_gid: str) -> dg.Failure:
    """Build the failure of an endpoint's materialization. Only transient errors and commit conflicts are retried."""
    metadata: dict[str, dg.MetadataValue] = {"endpoint": dg.MetadataValue.text(endpoint)}
    if workspace_gid:
        metadata["workspace"] = dg.MetadataValue.text(workspace_gid)
    if isinstance(error, errors.PermanentError):
        metadata |= {
            "method": dg.MetadataValue.text(error.method),
            "path": dg.MetadataValue.text(error.template),
            "status": dg.MetadataValue.int(error.status),
            "asana_message": dg.MetadataValue.text(error.reason),
        }
    subject = f"{endpoint} of workspace {workspace_gid}" if workspace_gid else endpoint
    return dg.Failure(
        description=describe(subject, error),
        metadata=metadata,
        allow_retries=isinstance(error, errors.TransientError | ConflictError),
    )


def describe(subject: str, error: errors.AsanaError | LakeError) -> str:
    """Return what happened to the subject and what to do about it, in sentences."""
    remedy = next((remedy for error_class, remedy in _REMEDIES if isinstance(error, error_class)), "")
    message = str(error).rstrip(".")
    return f"{subject}: {message}.{f' {remedy}' if remedy else ''}"


@contextmanager
def dagster_failures(*, endpoint: str, workspace_gid: str) -> Generator[None]:
    """Convert an `AsanaError` or a `LakeError` raised in the block to a `Failure`."""
    try:
        yield
    except (errors.AsanaError, LakeError) as error:
        raise to_failure(error, endpoint=endpoint, workspace_gid=workspace_gid) from None
