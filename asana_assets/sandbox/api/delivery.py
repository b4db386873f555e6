"""Sending a response over ASGI, including those that arrive late, incomplete or never."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asana_assets.sandbox.api.responses import Header, Response

Scope: TypeAlias = "dict[str, Any]"  # as ASGI defines it
Message: TypeAlias = "dict[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[Message]]"
Send: TypeAlias = "Callable[[Message], Awaitable[None]]"

_PIECES = 20  # of a body that trickles
_WITHOUT_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a response is sent.

    Attributes:
        response: None resets the connection without a response.
        hang_seconds: Time before the response, cut short if the client disconnects.
        reset_after_bytes: Resets the connection after this many bytes of the body, although the headers announce the
            whole; None sends all of it.
        trickle_seconds: Sends the body in pieces over this time; 0 sends it at once.
    """

    response: Response | None
    hang_seconds: float = 0
    reset_after_bytes: int | None = None
    trickle_seconds: float = 0

    @property
    def status(self) -> int:
        """The status that the client sees with a complete response; 0 if it sees none."""
        return 0 if self.response is None or self.reset_after_bytes is not None else self.response.status


class _HasTransport(Protocol):
    transport: asyncio.Transport


class _BoundSend(Protocol):
    __self__: _HasTransport


async def send_response(delivery: Delivery, send: Send, date: Header) -> None:
    """Send the response with the header `date`, or as much of it as is to be sent. Does not wait `hang_seconds`."""
    response = delivery.response
    if response is None:
        _reset(send)
        return
    headers = list(response.headers)
    if not any(name == b"date" for name, _ in headers):
        headers.append(date)
    if response.status not in _WITHOUT_BODY:
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if delivery.reset_after_bytes is not None:
        sent = response.body[: delivery.reset_after_bytes]
        await send({"type": "http.response.body", "body": sent, "more_body": True})
        _reset(send)
        return
    body = response.body
    if delivery.trickle_seconds > 0:
        size = max(1, len(body) // _PIECES)
        for _ in range(_PIECES):
            await send({"type": "http.response.body", "body": body[:size], "more_body": True})
            body = body[size:]
            await asyncio.sleep(delivery.trickle_seconds / _PIECES)
    await send({"type": "http.response.body", "body": body})


async def wait_for_disconnect(receive: Receive, timeout_seconds: float) -> None:
    """Wait until the client disconnects, or for the timeout."""

    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(disconnected(), timeout_seconds)
    except TimeoutError:
        return


def _reset(send: Send) -> None:
    """Abort the connection such that the client sees a TCP reset.

    ASGI has no message for this; uvicorn's `send` is a method of an object that holds the transport.
    """
    transport = cast("_BoundSend", send).__self__.transport
    connection = cast("socket.socket | None", transport.get_extra_info("socket"))
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
