"""How the server and its codec processes speak: two lengths, a JSON head, a payload."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

LENGTHS: Final = struct.Struct("<IQ")
_MAX_HEAD_BYTES = 64 * 1024


class ClosedChannel(EOFError):
    """The other side has gone."""


class OverlongMessage(ValueError):
    """A message announces more bytes than it may have."""


def send_message(channel: socket.socket, head: Mapping[str, Any], payload: bytes | memoryview) -> None:
    """Send a head and a payload."""
    encoded = json.dumps(head).encode()
    channel.sendall(LENGTHS.pack(len(encoded), len(payload)) + encoded)
    channel.sendall(payload)


def receive_message(channel: socket.socket, max_payload_bytes: int) -> tuple[dict[str, Any], bytearray]:
    """Return the head and the payload of the next message.

    Raises
    ------
    ClosedChannel
        The other side went before the end.
    OverlongMessage
        It announces more than it may have.
    """
    head_bytes, payload_bytes = LENGTHS.unpack(_receive_exactly(channel, LENGTHS.size))
    if head_bytes > _MAX_HEAD_BYTES or payload_bytes > max_payload_bytes:
        raise OverlongMessage(f"a message of {head_bytes} and {payload_bytes} bytes")
    head: dict[str, Any] = json.loads(_receive_exactly(channel, head_bytes))
    return head, _receive_exactly(channel, payload_bytes)


def _receive_exactly(channel: socket.socket, length_bytes: int) -> bytearray:
    buffer = bytearray(length_bytes)
    view = memoryview(buffer)
    while view:
        count = channel.recv_into(view)
        if not count:
            raise ClosedChannel("the other side closed the channel")
        view = view[count:]
    return buffer
