"""S3 with outages: moto's buckets on another port, where requests are refused while there is an outage."""

import threading
from collections.abc import Iterable
from math import inf
from typing import Any, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

_BODY = b"<Error><Code>ServiceUnavailable</Code><Message>Reduce your request rate.</Message></Error>"


class UnreliableS3:
    """The server as a context manager.

    Attributes:
        refused: The number of requests that were refused.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._left = inf
        self._lock = threading.Lock()
        self._backend: Any = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._respond, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail_after(self, requests: int) -> None:
        """Start an outage after this many more requests."""
        self._left = requests

    def recover(self) -> None:
        """End the outage."""
        self._left = inf

    def _respond(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self._left -= 1
            is_refused = self._left < 0
            self.refused += is_refused
        if not is_refused:
            return self._backend(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("503 Service Unavailable", [("Content-Type", "application/xml")])
        return [_BODY]
