"""What a fault does to the delivery of a response. `fault_kinds` documents the kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.delivery import Delivery
from asana_assets.sandbox.api.fault_content import change_content
from asana_assets.sandbox.api.raw_json import insert_raw_values
from asana_assets.sandbox.api.responses import Response, error_response, http_date, with_headers

if TYPE_CHECKING:
    from asana_assets.sandbox.api.fault_content import Respond
    from asana_assets.sandbox.api.faults import Fault
    from asana_assets.sandbox.api.request import ReceivedRequest

_LOGIN_PAGE = "https://login.example.com/sso"
_HTML = b"<!DOCTYPE html><html><head><title>Asana</title></head><body>We are having trouble.</body></html>"
_NO_CONTENT, _FIRST_REDIRECT, _FIRST_ERROR = 204, 300, 400


def apply_faults(faults: Sequence[Fault], request: ReceivedRequest, respond: Respond, now: float) -> Delivery:
    """Return what is sent instead of the correct response.

    Args:
        faults: As returned by `Faults.take`.
        request: The request that they hit.
        respond: Returns the correct response to a request.
        now: Seconds since the epoch on the server's clock.
    """
    delivery: Delivery | None = None
    for fault in faults:
        if fault.is_content:
            respond = change_content(fault, respond)
        else:
            delivery = _with_headers(_apply(fault, request, respond, now), fault.headers)
    delivery = delivery or Delivery(response=respond(request))
    if delivery.response is None:
        return delivery
    response = replace(delivery.response, body=insert_raw_values(delivery.response.body))
    return replace(delivery, response=response)


def _with_headers(delivery: Delivery, headers: Mapping[str, str]) -> Delivery:
    if delivery.response is None or not headers:
        return delivery
    return replace(delivery, response=with_headers(delivery.response, headers))


def _apply(fault: Fault, request: ReceivedRequest, respond: Respond, now: float) -> Delivery:
    if isinstance(fault.kind, int):
        return Delivery(response=_status_response(fault, fault.kind, now))
    return _EFFECTS[fault.kind](fault, request, respond)


def _status_response(fault: Fault, status: int, now: float) -> Response:
    wait = fault.retry_after
    if isinstance(wait, timedelta):
        wait = http_date(now + wait.total_seconds())
    response = error_response(status, fault.message or errors.DEFAULT_MESSAGES.get(status, "Error"), wait)
    if fault.content is not None:
        return with_headers(replace(response, body=fault.content), {"Content-Type": "text/html"})
    if fault.body is not None:
        return replace(response, body=msgspec.json.encode(fault.body))
    if _FIRST_REDIRECT <= status < _FIRST_ERROR:
        return with_headers(replace(response, body=b""), {"Location": _LOGIN_PAGE})
    return replace(response, body=b"") if status == _NO_CONTENT else response


def _reset(_fault: Fault, request: ReceivedRequest, respond: Respond) -> Delivery:
    response = respond(request)
    return Delivery(response=response, reset_after_bytes=len(response.body) // 2)


def _disconnect(_fault: Fault, _request: ReceivedRequest, _respond: Respond) -> Delivery:
    return Delivery(response=None)


def _truncated(_fault: Fault, request: ReceivedRequest, respond: Respond) -> Delivery:
    response = respond(request)
    return Delivery(response=replace(response, body=response.body[: len(response.body) // 2]))


def _empty(_fault: Fault, request: ReceivedRequest, respond: Respond) -> Delivery:
    return Delivery(response=replace(respond(request), body=b""))


def _garbage(_fault: Fault, request: ReceivedRequest, respond: Respond) -> Delivery:
    return Delivery(response=replace(respond(request), body=_HTML, headers=[(b"content-type", b"text/html")]))


def _hang(fault: Fault, _request: ReceivedRequest, _respond: Respond) -> Delivery:
    return Delivery(response=error_response(504, errors.DEFAULT_MESSAGES[504]), hang_seconds=fault.hang_seconds)


def _slow(fault: Fault, request: ReceivedRequest, respond: Respond) -> Delivery:
    return Delivery(response=respond(request), hang_seconds=fault.hang_seconds)


def _trickle(fault: Fault, request: ReceivedRequest, respond: Respond) -> Delivery:
    return Delivery(response=respond(request), trickle_seconds=fault.hang_seconds)


def _bad_request(message: str) -> Callable[[Fault, ReceivedRequest, Respond], Delivery]:
    return lambda fault, _request, _respond: Delivery(response=error_response(400, fault.message or message))


_EFFECTS: dict[str, Callable[[Fault, ReceivedRequest, Respond], Delivery]] = {
    "reset": _reset,
    "disconnect": _disconnect,
    "truncated": _truncated,
    "empty": _empty,
    "garbage": _garbage,
    "hang": _hang,
    "slow": _slow,
    "trickle": _trickle,
    "expired_offset": _bad_request(errors.OFFSET_EXPIRED),
    "invalid_offset": _bad_request(errors.OFFSET_INVALID),
    "too_large": _bad_request(errors.RESULT_TRUNCATED),
}
