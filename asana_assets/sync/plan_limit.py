"""Endpoints that the workspace's plan does not include (402): a sync sends one request for each, whatever its parents.

Pure decisions. Whether the plan includes an endpoint is only known from a response, so every sync tries once.
"""

from collections.abc import Iterable

from asana_assets.asana.model import Endpoint
from asana_assets.sync.failure_policy import MAX_UNIFORM_REFUSALS, OutcomeTally
from asana_assets.sync.fetcher import Outcome
from asana_assets.sync.sync_state import SyncState


def decide_to_try_alone(endpoint: Endpoint, state: SyncState, *, has_rows: bool) -> bool:
    """Return whether to send no second request before one has succeeded.

    So it is after a sync that found the endpoint not on the plan and, if not every plan includes it, until it has rows.
    """
    return state.not_on_plan or (bool(endpoint.plan) and not has_rows and not state.parents.num_rows)


def decide_not_on_plan(tallies: Iterable[OutcomeTally], *, tried_alone: bool) -> bool:
    """Return whether to send no further request, as the plan does not include the endpoint.

    A single rejection is believed only if the endpoint was tried alone. Otherwise the plan included it before.

    Args:
        tallies: The outcomes so far, by listing.
        tried_alone: What `decide_to_try_alone` returned.
    """
    tallies = list(tallies)
    rejections = sum(tally.outcomes[Outcome.NOT_ON_PLAN] for tally in tallies)
    return rejections >= (1 if tried_alone else MAX_UNIFORM_REFUSALS) and not any(one.successes for one in tallies)
