"""Many connections at a modem's pace, all in one thread: what a region's worst lines do to a server."""

import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.dicom import content_type
from tests.support.http import bearer, open_request

TICK_S = 0.1


@dataclass(slots=True)
class SlowPeer:
    """One connection and how far it came."""

    connection: socket.socket
    to_send: bytes = b""
    bytes_per_s: int = 0
    moved_bytes: int = 0
    head: bytes = b""
    closed: bool = False

    @property
    def status(self) -> int | None:
        """Status of the answer, once its first line has arrived."""
        return int(self.head[9:12]) if len(self.head) >= 12 else None

    @property
    def retry_after(self) -> str | None:
        """The Retry-After header of the answer."""
        for line in self.head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower() == "retry-after":
                return value.strip()
        return None


@dataclass(slots=True)
class SlowPeers:
    """Moves all peers on at their pace in a thread of its own, until the block ends."""

    peers: list[SlowPeer]
    ended: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def __enter__(self) -> "SlowPeers":
        for peer in self.peers:
            peer.connection.setblocking(False)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.ended.set()
        if self.thread is not None:
            self.thread.join()
        for peer in self.peers:
            peer.connection.close()

    def wait_for(self, is_reached: Callable[[], bool], *, patience_s: float = 60) -> bool:
        """Return whether a state was reached in time."""
        deadline = time.monotonic() + patience_s
        while not is_reached():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            while not self.ended.wait(TICK_S):
                self._move(selector)

    def _move(self, selector: selectors.BaseSelector) -> None:
        """Give each peer its share of one tick: a piece to send, or a piece to read."""
        for peer in self.peers:
            if not peer.closed:
                selector.register(peer.connection, selectors.EVENT_READ | selectors.EVENT_WRITE, peer)
        for key, events in selector.select(0):
            peer = key.data
            try:
                _move_peer(peer, events)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                peer.closed = True
        for key in list(selector.get_map().values()):
            selector.unregister(key.fileobj)


def _move_peer(peer: SlowPeer, events: int) -> None:
    share_bytes = int(peer.bytes_per_s * TICK_S)
    if events & selectors.EVENT_READ and (peer.to_send or share_bytes):
        _read(peer, share_bytes or 4096)
    if peer.to_send and peer.status is None and events & selectors.EVENT_WRITE and share_bytes:
        start = peer.moved_bytes
        try:
            peer.moved_bytes += peer.connection.send(peer.to_send[start : start + share_bytes])
        except (
            ConnectionError
        ):  # refused and closed meanwhile: the answer came before the end and is still here
            _read(peer, 4096)


def _read(peer: SlowPeer, size_bytes: int) -> None:
    received = peer.connection.recv(size_bytes)
    if not received:
        peer.closed = True
    if len(peer.head) < 4096:
        peer.head += received
    if not peer.to_send:
        peer.moved_bytes += len(received)


def open_upload(port: int, token: str, body: bytes, boundary: str, *, bytes_per_s: int) -> SlowPeer:
    """Begin a Store request that sends `body` at a pace; 0 = stalls after the head."""
    headers = {"Content-Type": content_type(boundary), "Content-Length": str(len(body))} | bearer(token)
    connection = open_request(port, "/dicom-web/studies", headers)
    return SlowPeer(connection, to_send=body, bytes_per_s=bytes_per_s)


def open_download(port: int, token: str, path: str, *, bytes_per_s: int) -> SlowPeer:
    """Begin to retrieve what lies at `path` at a pace; 0 = never reads anything."""
    headers = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'} | bearer(token)
    connection = open_request(port, path, headers, method="GET", receive_buffer_bytes=8192)
    return SlowPeer(connection, bytes_per_s=bytes_per_s)
