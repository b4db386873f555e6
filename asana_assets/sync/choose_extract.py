"""Which kind of extract fetches an endpoint."""

from typing import TypeAlias

from asana_assets.sync.child_extract import ChildExtract
from asana_assets.sync.extract import ExtractContext
from asana_assets.sync.full_extract import FullExtract
from asana_assets.sync.window_extract import WindowExtract

CheckpointedExtract: TypeAlias = ChildExtract | WindowExtract
"""An extract that is stored in checkpoints."""

AnyExtract: TypeAlias = FullExtract | CheckpointedExtract
"""An extract of any kind."""


def choose_extract(context: ExtractContext, *, checkpoint_rows: int, checkpoint_seconds: float) -> AnyExtract:
    """Return the extract of the context's endpoint, not started; the limits are those of `ChildExtract`.

    Raises:
        UnknownWorkspaceError: The workspace is not among the upstream rows.
    """
    endpoint = context.endpoint
    if endpoint.window:
        return WindowExtract(
            context, endpoint.window, checkpoint_rows=checkpoint_rows, checkpoint_seconds=checkpoint_seconds
        )
    if endpoint.is_child:
        return ChildExtract(context, checkpoint_rows=checkpoint_rows, checkpoint_seconds=checkpoint_seconds)
    return FullExtract(context)
