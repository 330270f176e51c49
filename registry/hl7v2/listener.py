"""MLLP over TCP: a thread for each connection, its messages one after the other.

Standard: HL7 v2 Transport Specification: MLLP, Release 1; IHE ITI TF-2 3.8, C.2.1
"""

import logging
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from registry.hl7v2.acknowledgment import acknowledge, acknowledge_nothing
from registry.hl7v2.framing import MOST_BYTES, Deframer, OversizedMessage, frame
from registry.hl7v2.message import read_header
from registry.hl7v2.refusal import INTERNAL_ERROR, RefusedMessage, RejectedMessage

log = logging.getLogger(__name__)

READ_BYTES = 64 * 1024
WAKE_S = 0.5
STOP_WITHIN_S = 10.0
DRAIN_S = 2.0

Take = Callable[[bytes], bytes]
"""Takes a message and returns the answer; it raises nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may cost. A connection is closed when nothing comes for `idle_s`, or in the middle of a
    message for `message_s`; one beyond `connections` is closed at once.
    """

    message_bytes: int = MOST_BYTES
    idle_s: float = 3600.0
    message_s: float = 60.0
    connections: int = 64


@dataclass(slots=True)
class Listener:
    """A socket that listens, and what takes the messages. `done` runs in a connection's thread at its end."""

    server: socket.socket
    take: Take
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = None
    after_message: Callable[[], None] = lambda: None
    done: Callable[[], None] = lambda: None
    stop: threading.Event = field(default_factory=threading.Event)
    threads: set[threading.Thread] = field(default_factory=set)


def open_socket(host: str, port: int) -> socket.socket:
    """Listen at an address; port 0 takes a free one.

    Raises
    ------
    OSError
        The address is in use or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=64)


def make_tls(certificate: str, key: str, client_authorities: str = "") -> ssl.SSLContext:
    """Make the server's side of TLS 1.2 or later; with authorities, a client must show a certificate of theirs.

    Raises
    ------
    OSError, ssl.SSLError
        A file cannot be read or holds something else.

    Standard: IHE ITI TF-2 3.19
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key or None)
    if client_authorities:
        context.load_verify_locations(client_authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def listen(listener: Listener) -> None:
    """Take connections until `stop` is set; return when the message of each is answered, or it took too long."""
    with selectors.DefaultSelector() as selector, listener.server as server:
        server.setblocking(False)
        selector.register(server, selectors.EVENT_READ)
        while not listener.stop.is_set():
            if selector.select(WAKE_S):
                _accept(listener)
    deadline = time.monotonic() + STOP_WITHIN_S
    for thread in tuple(listener.threads):
        thread.join(max(0.0, deadline - time.monotonic()))


def _accept(listener: Listener) -> None:
    try:
        connection, address = listener.server.accept()
    except (BlockingIOError, ConnectionError):
        return
    listener.threads = {thread for thread in listener.threads if thread.is_alive()}
    if len(listener.threads) >= listener.limits.connections:
        log.warning("a connection from %s was closed: %d are open", address[0], len(listener.threads))
        connection.close()
        return
    thread = threading.Thread(
        target=_serve, args=(listener, connection, str(address[0])), name=f"mllp-{address[0]}", daemon=True
    )
    listener.threads.add(thread)
    thread.start()


def _serve(listener: Listener, connection: socket.socket, address: str) -> None:
    try:
        connection.settimeout(listener.limits.message_s)
        if listener.tls is not None:
            connection = listener.tls.wrap_socket(connection, server_side=True)
        _converse(listener, connection, address)
    except (OSError, ssl.SSLError) as error:
        log.warning("the connection from %s ended: %s", address, error)
    except Exception:
        log.exception("the connection from %s ended", address)
    finally:
        connection.close()
        listener.done()


def _converse(listener: Listener, connection: socket.socket, address: str) -> None:
    deframer = Deframer(listener.limits.message_bytes)
    while (data := _receive(listener, connection, deframer)) is not None:
        try:
            messages = deframer.feed(data)
        except OversizedMessage as oversized:
            log.warning("a message from %s is too long", address)
            _send(listener, connection, _refuse(oversized))
            _drain(connection)
            return
        for message in messages:
            _send(listener, connection, listener.take(message))
            listener.after_message()
            if listener.stop.is_set():
                return
    if deframer.is_inside:
        log.warning("the connection from %s ended inside of a message", address)
    if deframer.dropped_bytes:
        log.warning("%d bytes from %s were outside of any frame", deframer.dropped_bytes, address)


def _receive(listener: Listener, connection: socket.socket, deframer: Deframer) -> bytes | None:
    """Wait for what comes next; None at the end, after too long a silence, or when it is time to stop."""
    began = time.monotonic()
    connection.settimeout(WAKE_S)
    while not listener.stop.is_set():
        try:
            return connection.recv(READ_BYTES) or None
        except TimeoutError:
            waited_s = time.monotonic() - began
            if waited_s > (listener.limits.message_s if deframer.is_inside else listener.limits.idle_s):
                return None
    return None


def _send(listener: Listener, connection: socket.socket, answer: bytes) -> None:
    connection.settimeout(listener.limits.message_s)
    connection.sendall(frame(answer))


def _drain(connection: socket.socket) -> None:
    """Read what is on its way, for a moment: closing on unread bytes would take the answer back."""
    connection.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + DRAIN_S
    connection.settimeout(DRAIN_S)
    while time.monotonic() < deadline and connection.recv(READ_BYTES):
        pass


def _refuse(oversized: OversizedMessage) -> bytes:
    rejected = RejectedMessage(INTERNAL_ERROR, str(oversized))
    try:
        return acknowledge(read_header(oversized.begin), rejected).encode("latin-1", "replace")
    except RefusedMessage:
        return acknowledge_nothing(rejected).encode()
