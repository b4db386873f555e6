"""What a fault changes in a response that is otherwise correct. `fault_kinds` documents the kinds."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from asana_assets.sandbox.api.fault_records import RECORD_EFFECTS, gid_of
from asana_assets.sandbox.api.responses import with_headers

if TYPE_CHECKING:
    from asana_assets.sandbox.api.faults import Fault
    from asana_assets.sandbox.api.request import ReceivedRequest
    from asana_assets.sandbox.api.responses import Response

Respond: TypeAlias = "Callable[[ReceivedRequest], Response]"
"""Returns the response to a request."""

Body: TypeAlias = "dict[str, Any]"

_OK = 200
_AGAIN = "again-"


def change_content(fault: Fault, respond: Respond) -> Respond:
    """Return what responds as `respond` does, except for the fault. Errors are not changed.

    Raw values are placeholders until `insert_raw_values`.
    """

    def respond_wrongly(request: ReceivedRequest) -> Response:
        response = respond(_served_request(fault, request))
        if response.status == _OK:
            response = replace(response, body=_change_body(fault, request, response.body))
        return with_headers(response, fault.headers) if fault.headers else response

    return respond_wrongly


def _served_request(fault: Fault, request: ReceivedRequest) -> ReceivedRequest:
    """Return the request whose correct response the fault changes."""
    query = request.query
    starts_again = query.get("offset", "").startswith(_AGAIN)
    if fault.kind == "endless_pages" or (fault.kind in {"endless_cycle", "endless_empty_pages"} and starts_again):
        return replace(request, query={name: value for name, value in query.items() if name != "offset"})
    if fault.kind == "ignored_parameter":
        return replace(request, query={name: value for name, value in query.items() if name != fault.parameter})
    return request


def _change_body(fault: Fault, request: ReceivedRequest, encoded: bytes) -> bytes:
    kind = str(fault.kind)
    change_records = RECORD_EFFECTS.get(kind)
    change_listing = _LISTING_EFFECTS.get(kind)
    if change_records is None and change_listing is None and kind not in _ENVELOPE_KINDS:
        return encoded
    body = cast("Body", msgspec.json.decode(encoded))
    data = body.get("data")
    if kind == "no_data":
        body.pop("data", None)
    elif kind == "replaced_data":
        body["data"] = fault.value
    elif change_records is not None:
        body["data"] = change_records(fault, data) if isinstance(data, list) else change_records(fault, [data])[0]
    elif change_listing is not None and isinstance(data, list):
        change_listing(fault, request, body)
    return msgspec.json.encode(body)


def _empty_listing(_fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    body["data"] = []
    _end(body)


def _empty_page(_fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    body["data"] = []


def _missing_head(fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    body["data"] = body["data"][_lost_count(fault, body) :]


def _missing_tail(fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    body["data"] = body["data"][: len(body["data"]) - _lost_count(fault, body)]


def _missing_some(fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    body["data"] = _without_drawn(fault, body, salt=0)


def _missing_varying(fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    body["data"] = _without_drawn(fault, body, salt=fault.hits)


def _without_drawn(fault: Fault, body: Body, salt: int) -> list[Any]:
    """Return the records except those that a hash selects; the order is kept."""
    records = body["data"]
    drawn = sorted(range(len(records)), key=lambda index: zlib.crc32(f"{salt} {gid_of(records[index])}".encode()))
    lost = set(drawn[: _lost_count(fault, body)])
    return [record for index, record in enumerate(records) if index not in lost]


def _lost_count(fault: Fault, body: Body) -> int:
    count = len(body["data"])
    return min(count, max(1, round(count * fault.lost)))


def _shuffled(_fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    records = body["data"]
    shuffled = sorted(records, key=lambda record: zlib.crc32(gid_of(record).encode()))
    body["data"] = shuffled if shuffled != records else shuffled[::-1]


def _early_end(_fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    _end(body)


def _replaced_next_page(fault: Fault, _request: ReceivedRequest, body: Body) -> None:
    body["next_page"] = fault.value


def _repeated_offset(_fault: Fault, request: ReceivedRequest, body: Body) -> None:
    _continue_with(body, request, request.query["offset"])


def _endless_pages(fault: Fault, request: ReceivedRequest, body: Body) -> None:
    if "next_page" in body:
        _continue_with(body, request, f"{_AGAIN}{fault.hits}")


def _endless_cycle(fault: Fault, request: ReceivedRequest, body: Body) -> None:
    if body.get("next_page", "") is None:
        _continue_with(body, request, f"{_AGAIN}{fault.hits}")


def _endless_empty_pages(fault: Fault, request: ReceivedRequest, body: Body) -> None:
    is_after_the_end = request.query.get("offset", "").startswith(_AGAIN)
    if is_after_the_end:
        body["data"] = []
    if is_after_the_end or body.get("next_page", "") is None:
        _continue_with(body, request, f"{_AGAIN}{fault.hits}")


def _continue_with(body: Body, request: ReceivedRequest, offset: str) -> None:
    body["next_page"] = {"offset": offset, "path": request.path, "uri": request.path}


def _end(body: Body) -> None:
    """End the listing with this page. A response without `limit` has no `next_page`."""
    if "next_page" in body:
        body["next_page"] = None


_ENVELOPE_KINDS = frozenset({"no_data", "replaced_data"})
_LISTING_EFFECTS: dict[str, Callable[[Fault, ReceivedRequest, Body], None]] = {
    "empty_listing": _empty_listing,
    "empty_page": _empty_page,
    "missing_head": _missing_head,
    "missing_tail": _missing_tail,
    "missing_some": _missing_some,
    "missing_varying": _missing_varying,
    "shuffled": _shuffled,
    "early_end": _early_end,
    "replaced_next_page": _replaced_next_page,
    "repeated_offset": _repeated_offset,
    "endless_pages": _endless_pages,
    "endless_cycle": _endless_cycle,
    "endless_empty_pages": _endless_empty_pages,
}
