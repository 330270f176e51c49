"""The body of a request as a bounded stream, read from the server's raw input.

Django's own `request.read()` gives nothing at all for a chunked upload under WSGI, and a client that vanishes
looks like the end of the body under granian and gunicorn alike: whoever needs a whole body must count.
"""

import re
from collections.abc import Mapping
from typing import Any, Protocol

_DIGITS = re.compile(r"[0-9]{1,18}")


class InvalidContentLength(ValueError):
    """The Content-Length header is not a plain number of bytes."""


class BodyTooLarge(ValueError):
    """The body is longer than this door takes; the message names the limit."""


class TruncatedBody(ValueError):
    """The body ended before it was complete: the sender vanished or announced more than it sent."""


class _Input(Protocol):
    def read(self, size: int, /) -> bytes: ...


class RequestBody:
    """The body of one request, with Content-Length or chunked.

    Parameters
    ----------
    environ
        The WSGI environ; only the server's own input is touched, nothing is spooled.
    max_bytes
        The longest body to take, in bytes; an announced longer one is refused before the first byte is read.

    Raises
    ------
    InvalidContentLength, BodyTooLarge
        From the constructor, before anything is read.
    """

    def __init__(self, environ: Mapping[str, Any], *, max_bytes: int | None = None) -> None:
        self._input: _Input = environ["wsgi.input"]
        self._max_bytes = max_bytes
        self.received_bytes = 0
        self.announced_bytes = _read_announced_bytes(environ)
        if max_bytes is not None and (self.announced_bytes or 0) > max_bytes:
            raise BodyTooLarge(
                f"the body is {self.announced_bytes} bytes long, at most {max_bytes} are taken"
            )

    def read(self, size_bytes: int) -> bytes:
        """Read up to `size_bytes`; empty at the end of what arrives, which `verify_length` tells from a cut.

        Raises
        ------
        BodyTooLarge
            When a body of unknown length has passed `max_bytes`.
        """
        if self.announced_bytes is not None:
            # A server that does not end its input would block here for ever.
            size_bytes = min(size_bytes, self.announced_bytes - self.received_bytes)
        if size_bytes <= 0:
            return b""
        data = self._input.read(size_bytes)
        self.received_bytes += len(data)
        if self._max_bytes is not None and self.received_bytes > self._max_bytes:
            raise BodyTooLarge(f"the body is longer than the {self._max_bytes} bytes that are taken")
        return data

    def verify_length(self) -> None:
        """Check, at the end of the body, that all announced bytes arrived; raises `TruncatedBody`."""
        if self.announced_bytes is not None and self.received_bytes < self.announced_bytes:
            raise TruncatedBody(
                f"{self.received_bytes} of {self.announced_bytes} announced bytes arrived; send it all again"
            )


def _read_announced_bytes(environ: Mapping[str, Any]) -> int | None:
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return None  # RFC 9112 6.3: with a transfer coding, a Content-Length means nothing
    text = str(environ.get("CONTENT_LENGTH") or "").strip()
    if not text:
        # Without either, HTTP/1.1 has no body and HTTP/2 one of unknown length; a server that ends its input
        # tells the two apart by ending it, any other would block.
        return None if environ.get("wsgi.input_terminated") else 0
    if not _DIGITS.fullmatch(text):
        raise InvalidContentLength(f"Content-Length {text[:40]!r} is not a number of bytes")
    return int(text)
