"""Random faults of the listings of the sandbox's paid organization, as Hypothesis draws them.

A fault refers to a parent by a number, so that it stays valid while the organization changes.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.random_changes import list_gids

TASK_SEARCH = "/workspaces/{gid}/tasks/search"
LISTINGS = {
    "/users?workspace={gid}": "",
    "/projects?workspace={gid}": "",
    "/tags?workspace={gid}": "",
    "/projects/{gid}/sections": "projects",
    "/tasks?project={gid}": "projects",
    "/tasks?assignee={gid}": "users",
    "/tasks/{gid}": "work",
    "/tasks/{gid}/subtasks": "parents",
    "/tasks/{gid}/stories": "work",
    "/attachments?parent={gid}": "attachable",
    "/status_updates?parent={gid}": "projects",
    TASK_SEARCH: "",
    "*": "",
}
"""The requests of a sync, and which objects one of them may concern."""

_STATUSES = (400, 402, 403, 404, 408, 410, 422, 429, 451, 500, 502, 503, 504, 520)
_DELIVERIES = ("reset", "disconnect", "truncated", "empty", "garbage")
_DELAYS = ("hang", "slow", "trickle")
_OFFSETS = ("expired_offset", "invalid_offset", "too_large", "repeated_offset")
_LISTING_CONTENT = ("empty_listing", "empty_page", "early_end", "shuffled", "no_data")
_ENDLESS = ("endless_pages", "endless_cycle", "endless_empty_pages")
_LOSSES = ("missing_head", "missing_tail", "missing_some", "missing_varying")
_FIELDS = (
    "gid",
    "name",
    "text",
    "modified_at",
    "num_subtasks",
    "memberships",
    "projects",
    "assignee",
    "parent",
    "custom_fields",
    "project_brief",
    "current_status_update",
)
_JSON = (None, 0, 12, "text", "", [], {}, True)

_POSITIONS = st.sampled_from([0, 1, -1, None])
_KINDS: st.SearchStrategy[tuple[Any, dict[str, Any]]] = st.one_of(
    st.tuples(st.sampled_from(_STATUSES), st.just({})),
    st.tuples(st.sampled_from([429, 503]), st.fixed_dictionaries({"retry_after": st.sampled_from([0, 1])})),
    st.tuples(st.just(504), st.fixed_dictionaries({"limit_above": st.sampled_from([2, 4])})),
    st.tuples(st.sampled_from(_DELIVERIES + _OFFSETS + _LISTING_CONTENT + _ENDLESS), st.just({})),
    st.tuples(st.sampled_from(_DELAYS), st.just({"hang_seconds": 1.2})),
    st.tuples(st.sampled_from(_LOSSES), st.fixed_dictionaries({"lost": st.sampled_from([0.1, 0.5, 0.9])})),
    st.tuples(st.just("ignored_parameter"), st.fixed_dictionaries({"parameter": st.sampled_from(["offset", "limit"])})),
    st.tuples(st.just("headers"), st.just({"headers": {"Retry-After": "1"}})),
    st.tuples(
        st.just("replaced_next_page"),
        st.fixed_dictionaries({"value": st.sampled_from([None, {}, "text", {"offset": ""}])}),
    ),
    st.tuples(st.just("replaced_data"), st.fixed_dictionaries({"value": st.sampled_from(_JSON)})),
    st.tuples(
        st.just("replaced_record"),
        st.fixed_dictionaries({"value": st.sampled_from([None, "text", 12, {}]), "position": _POSITIONS}),
    ),
    st.tuples(st.just("duplicate_record"), st.fixed_dictionaries({"position": _POSITIONS})),
    st.tuples(
        st.just("missing_field"),
        st.fixed_dictionaries({"field": st.sampled_from(_FIELDS), "position": _POSITIONS}),
    ),
    st.tuples(
        st.just("replaced_field"),
        st.fixed_dictionaries(
            {"field": st.sampled_from(_FIELDS), "value": st.sampled_from(_JSON), "position": _POSITIONS}
        ),
    ),
    st.tuples(
        st.just("raw_field"),
        st.fixed_dictionaries(
            {
                "field": st.sampled_from(_FIELDS),
                "raw": st.sampled_from([b"1e999", b"-0", b'"\\u0000"']),
                "position": _POSITIONS,
            }
        ),
    ),
    st.tuples(
        st.sampled_from(["lone_surrogate", "invalid_utf8"]),
        st.fixed_dictionaries({"field": st.sampled_from(["name", "text"]), "position": _POSITIONS}),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadAnswer:
    """A fault of one listing or of all listings with the same path.

    Attributes:
        match: A key of `LISTINGS`.
        parent: Number of the parent; None for all.
        kind: Kind of the fault.
        options: Its options.
        times: How often it hits; None for always.
        counted_per: What `times` counts for.
        whole_listing: Whether it hits all pages of a fetch.
    """

    match: str
    parent: int | None
    kind: Any
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    times: int | None = 1
    counted_per: str = "listing"
    whole_listing: bool = False

    def add_to(self, asana: Sandbox) -> None:
        """Activate the fault."""
        match, parent = self.match, self.parent
        if self.kind in _DELAYS and parent is None:
            parent = 0  # one slow parent shows everything and costs less time than all
        gids = _parents(asana, LISTINGS[match])
        if parent is not None and gids:
            match = match.replace("{gid}", gids[parent % len(gids)])
        times = 2 if self.match == "*" and self.times is None else self.times
        options: dict[str, Any] = {**self.options, "times": times, "counted_per": self.counted_per}
        asana.add_fault(match, self.kind, **options, whole_listing=self.whole_listing)


BAD_ANSWERS = st.builds(
    lambda kind, **options: BadAnswer(kind=kind[0], options=kind[1], **options),
    kind=_KINDS,
    match=st.sampled_from(list(LISTINGS)),
    parent=st.none() | st.integers(0, 30),
    times=st.sampled_from([1, 2, None]),
    counted_per=st.sampled_from(["listing", "page", "fault"]),
    whole_listing=st.booleans(),
)


def _parents(asana: Sandbox, kind: str) -> list[str]:
    match kind:
        case "":
            return []
        case "work":
            return list_gids(asana, "tasks", "subtasks")
        case "parents":
            return [gid for gid in list_gids(asana, "tasks", "subtasks") if asana.organization.subtasks.get(gid)]
        case "attachable":
            return list_gids(asana, "tasks", "subtasks", "projects")
        case _:
            return list_gids(asana, kind)
