"""What the sandbox can do wrong: the kinds of faults, and the options that say when and how.

This is the place to look up a kind. `fault_effects` and `fault_content` implement them, `faults` decides which request
is hit, and `misbehaviors` combines them into behaviors that have a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from asana_assets.sandbox.api.request import ReceivedRequest
    from asana_assets.sandbox.api.responses import RetryAfter
    from asana_assets.sandbox.data.model import JSON

ResponseKind: TypeAlias = Literal[
    "reset",
    "disconnect",
    "truncated",
    "empty",
    "garbage",
    "hang",
    "slow",
    "trickle",
    "expired_offset",
    "invalid_offset",
    "too_large",
]
"""What replaces the response, besides an HTTP status.

- `reset`: the connection is reset in the middle of the body.
- `disconnect`: the connection is reset before the response.
- `truncated`: 200 with the first half of the JSON and a matching `Content-Length`.
- `empty`: 200 without a body.
- `garbage`: 200 with an HTML page.
- `hang`: no response for `hang_seconds`, then 504.
- `slow`: the correct response after `hang_seconds`.
- `trickle`: the correct response, whose body arrives in pieces over `hang_seconds`.
- `expired_offset`: 400, the offset has expired. Hits only requests with an offset.
- `invalid_offset`: 400, the offset is invalid. Hits only requests with an offset.
- `too_large`: 400, the listing was truncated. Hits only requests with an offset; see `after_records`.
"""

ContentKind: TypeAlias = Literal[
    "headers",
    "ignored_parameter",
    "empty_listing",
    "empty_page",
    "missing_head",
    "missing_tail",
    "missing_some",
    "missing_varying",
    "shuffled",
    "early_end",
    "replaced_next_page",
    "repeated_offset",
    "endless_pages",
    "endless_cycle",
    "endless_empty_pages",
    "no_data",
    "replaced_data",
    "replaced_record",
    "duplicate_record",
    "missing_field",
    "replaced_field",
    "raw_field",
    "lone_surrogate",
    "invalid_utf8",
]
"""What is wrong in a response that is otherwise correct. Several such faults can hit the same request.

The response as a whole:

- `headers`: nothing but the `headers`.
- `ignored_parameter`: the request is served as if it did not have the query parameter `parameter`.

A listing (single objects are not changed):

- `empty_listing`: no records and no next page.
- `empty_page`: no records, but the correct next page.
- `missing_head`, `missing_tail`: the first or last records of the page are missing (`lost` is their share).
- `missing_some`: records anywhere are missing, the same in every response.
- `missing_varying`: records anywhere are missing, others in every response.
- `shuffled`: the records of the page are in another order.
- `early_end`: the page is correct, but the last one.
- `replaced_next_page`: `next_page` is `value`.
- `repeated_offset`: the next offset is the requested one. Hits only requests with an offset.
- `endless_pages`: every page is the first one, with an offset that is new each time.
- `endless_cycle`: after its last page, the listing starts again with its first one.
- `endless_empty_pages`: after its last page, the listing has empty pages, with an offset that is new each time.

The envelope:

- `no_data`: there is no `data`.
- `replaced_data`: `data` is `value`.

Records, all of them or those that `gid` or `position` selects:

- `replaced_record`: the record is `value`, by default null.
- `duplicate_record`: the record is there twice.
- `missing_field`: the record has no `field`.
- `replaced_field`: the `field` is `value`, by default null.
- `raw_field`: the `field` is `raw`, which need not be JSON.
- `lone_surrogate`: the text of the `field` ends with the escape sequence of half an emoji.
- `invalid_utf8`: the text of the `field` ends with the first bytes of an emoji.
"""

FaultKind: TypeAlias = int | ResponseKind | ContentKind
"""What happens to the response. An integer is an HTTP status: an error response, a redirect or an empty 204."""

CountedPer: TypeAlias = Literal["fault", "listing", "page"]
"""What `times` and `skip` count for: all requests that match, or each listing or each page on its own."""

Match: TypeAlias = "str | Callable[[ReceivedRequest], bool]"
"""The requests that a fault hits: a predicate, or a pattern as for `matches`."""


class FaultOptions(TypedDict, total=False):
    """The options of a fault. `Fault` documents them."""

    times: int | None
    skip: int
    counted_per: CountedPer
    whole_listing: bool
    fraction: float
    after_records: int
    limit_above: int
    retry_after: RetryAfter
    message: str | None
    body: JSON
    content: bytes | None
    headers: Mapping[str, str]
    hang_seconds: float
    lost: float
    parameter: str
    gid: str
    position: int | None
    field: str
    value: JSON
    raw: bytes
