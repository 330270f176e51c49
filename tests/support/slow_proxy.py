"""A TCP proxy that lets requests through at a limited rate, so that a transfer can be caught in its middle."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK_BYTES = 1 << 16


@dataclass(slots=True)
class SlowProxy:
    """A running proxy; `forwarded_bytes` counts what went from clients to the server."""

    port: int
    target_port: int
    bytes_per_s: float
    forwarded_bytes: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def run_slow_proxy(target_port: int, *, bytes_per_s: float) -> Iterator[SlowProxy]:
    """Run a proxy on a free loopback port for the length of the block.

    `bytes_per_s` may be changed while it runs.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        proxy = SlowProxy(listener.getsockname()[1], target_port, bytes_per_s)
        thread = threading.Thread(target=_accept, args=(proxy, listener))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.stopping.set()
            thread.join()


def _accept(proxy: SlowProxy, listener: socket.socket) -> None:
    while not proxy.stopping.is_set():
        with contextlib.suppress(TimeoutError):
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", proxy.target_port))
            threading.Thread(target=_pump, args=(proxy, client, server, True), daemon=True).start()
            threading.Thread(target=_pump, args=(proxy, server, client, False), daemon=True).start()


def _pump(proxy: SlowProxy, source: socket.socket, target: socket.socket, is_request: bool) -> None:
    """Copy one direction until it ends; then cut both, as a vanished peer would be seen."""
    with contextlib.suppress(OSError):
        source.settimeout(None)
        while block := source.recv(BLOCK_BYTES):
            target.sendall(block)
            if is_request:
                proxy.forwarded_bytes += len(block)
                time.sleep(len(block) / proxy.bytes_per_s)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
