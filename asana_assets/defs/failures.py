"""Errors as Dagster shows them: one sentence, what to do, and facts as metadata, instead of a traceback."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from asana_assets.asana import errors
from asana_assets.lake.errors import ConflictError, LakeError

_REMEDIES: tuple[tuple[type[errors.AsanaError], str], ...] = (
    (errors.UnauthorizedError, "Check the token in ASANA_ACCESS_TOKEN, or in the secret ASANA_TOKEN_SECRET_ID names."),
    (errors.NotFoundError, "Check ASANA_BASE_URL, and that the token's user still belongs to the workspace."),
    (
        errors.ForbiddenError,
        "The token's user may not list this. Ask an admin of the workspace, or leave the asset out.",
    ),
    (
        errors.TransientError,
        "Nothing that was stored is lost. Check ASANA_BASE_URL and the network, then run it again.",
    ),
    (errors.ContractError, "Run it again; if it stays, it is a defect of Asana's or ours."),
)


def to_failure(error: errors.AsanaError | LakeError, *, endpoint: str, workspace_gid: str) -> dg.Failure:
    """Describe why an endpoint's table was left as it was."""
    to_do = next((words for kind, words in _REMEDIES if isinstance(error, kind)), "")
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
    where = f"{endpoint} of workspace {workspace_gid}" if workspace_gid else endpoint
    sentence = str(error).rstrip(".")
    return dg.Failure(
        description=f"{where}: {sentence}.{f' {to_do}' if to_do else ''}",
        metadata=metadata,
        allow_retries=isinstance(error, errors.TransientError | ConflictError),
    )


@contextmanager
def dagster_failures(*, endpoint: str, workspace_gid: str) -> Generator[None]:
    """Turn what can be explained into a `Failure`."""
    try:
        yield
    except (errors.AsanaError, LakeError) as error:
        raise to_failure(error, endpoint=endpoint, workspace_gid=workspace_gid) from None
