"""An HTTP server whose responses a test scripts, for what the sandbox, as an Asana, never does."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Respond = Callable[[BaseHTTPRequestHandler], None]
"""Writes a whole response."""


@dataclass(slots=True)
class ScriptedServer:
    """A running server.

    Attributes:
        url: Base URL.
        requests: Path and headers of each request received.
        connections: Number of connections accepted.
    """

    url: str
    requests: list[tuple[str, dict[str, str]]]
    connections: int = 0


@contextmanager
def serve(respond: Respond) -> Generator[ScriptedServer]:
    """Serve `respond` on a free local port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            scripted.connections += 1

        def handle(self) -> None:
            with suppress(OSError):  # the client may close the connection
                super().handle()

        def do_GET(self) -> None:
            scripted.requests.append((self.path, dict(self.headers.items())))
            respond(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        scripted = ScriptedServer(f"http://127.0.0.1:{server.server_port}/api/1.0", [])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield scripted
        finally:
            server.shutdown()
            thread.join()


def respond_with(status: int, body: bytes = b"", **headers: str) -> Respond:
    """Return a response with the headers, whose names have underscores for hyphens."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def respond_in_turn(*responses: Respond) -> Respond:
    """Return a response for each request; the last one is repeated."""
    remaining = list(responses)

    def respond(handler: BaseHTTPRequestHandler) -> None:
        (remaining.pop(0) if len(remaining) > 1 else remaining[0])(handler)

    return respond


def closed_port_url() -> str:
    """Return a base URL whose port refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/api/1.0"
