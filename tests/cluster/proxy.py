"""A TCP proxy that fails as networks do: it cuts, freezes one way or both, and resets in the middle of an answer."""

import contextlib
import selectors
import socket
import struct
import threading
from typing import Any


class Proxy:
    """Between a client and ``target``. One thread; the test sets what happens to every byte from then on."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.frozen: set[str] = set()  # "out": from the client to the server; "back"
        self.is_cut = False
        self.resets = 0  # answers to be broken off in the middle
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.waker, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ, "wake")
        self.pairs: dict[socket.socket, tuple[socket.socket, str]] = {}
        self.over = False
        self.guard = threading.Lock()
        self.thread = threading.Thread(target=self.live, name="proxy", daemon=True)
        self.thread.start()

    def live(self) -> None:
        while not self.over:
            for key, _ in self.selector.select(0.02 if self.frozen else None):
                line: Any = key.fileobj
                with self.guard:
                    if key.data == "wake":
                        line.recv(100)
                    elif key.data is None:
                        self.accept()
                    elif line in self.pairs:
                        self.forward(line)
        for line in list(self.pairs):
            self.end(line)
        self.selector.close()
        for line in (self.listener, self.waker, self.woken):
            line.close()

    def accept(self) -> None:
        client, address = self.listener.accept()
        if self.refuses(address[1]):
            client.close()
            return
        try:
            server = socket.create_connection(self.target, 2)
        except OSError:
            client.close()
            return
        for line, other, way in ((client, server, "out"), (server, client, "back")):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs[line] = (other, way)
            self.selector.register(line, selectors.EVENT_READ, way)

    def refuses(self, port: int) -> bool:
        """Whether a line from this port of the client's is cut at once."""
        return self.is_cut

    def forward(self, line: socket.socket) -> None:
        other, way = self.pairs[line]
        if way in self.frozen:
            return  # what was sent stays where it is
        try:
            data = line.recv(65536)
            if data and way == "back" and self.resets and len(data) > 4:
                self.resets -= 1
                other.sendall(data[: len(data) // 2])
                for each in (line, other):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                data = b""
            if data:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.end(line)

    def end(self, line: socket.socket) -> None:
        other, _ = self.pairs.pop(line, (line, ""))
        self.pairs.pop(other, None)
        for each in {line, other}:
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(each)
            each.close()

    def cut(self) -> None:
        with self.guard:
            self.is_cut = True
            for line in list(self.pairs):
                self.end(line)
        self.wake()

    def freeze(self, *ways: str) -> None:
        self.frozen = set(ways or ("out", "back"))
        self.wake()

    def reset(self, answers: int = 1) -> None:
        self.resets = answers

    def heal(self) -> None:
        self.is_cut = False
        self.frozen = set()
        self.resets = 0
        self.wake()

    def wake(self) -> None:
        with contextlib.suppress(OSError):
            self.waker.send(b"x")

    def close(self) -> None:
        self.over = True
        self.wake()
        self.thread.join(10)
