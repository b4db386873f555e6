"""A minimal SMTP server on loopback that keeps what it receives."""

import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class MailServer:
    """The port, and the text of each message received."""

    port: int = 0
    messages: list[str] = field(default_factory=list[str])


@contextmanager
def run_mail_server() -> Generator[MailServer]:
    """Run the server for the duration of the block."""
    received = MailServer()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            while line := self.rfile.readline():
                command = line[:4].upper()
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    received.messages.append("".join(self._body()))
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
                if command == b"QUIT":
                    return

        def _body(self) -> Generator[str]:
            while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                yield line.decode()

    with socketserver.TCPServer(("127.0.0.1", 0), Session) as server:
        received.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
