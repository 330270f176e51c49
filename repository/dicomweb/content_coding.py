"""Content codings of JSON and XML answers, and their making as the content streams by.

Standard: RFC 9110 8.4, 12.5.3
"""

import zlib
from collections.abc import Iterable, Iterator

import zstandard
from django.http import HttpRequest

CODINGS = ("zstd", "gzip")
WORTH_BYTES = 1400
"""What is shorter goes in one packet as it is."""

_FASTEST = 1


def choose_coding(request: HttpRequest) -> str:
    """Return the coding that the client names, zstd before gzip, or nothing.

    `*` is no promise that it can read zstd, and a weight of 0 forbids.
    """
    accepted = request.META.get("HTTP_ACCEPT_ENCODING", "").lower()
    if not accepted:
        return ""
    named = set()
    for offer in accepted.split(","):
        name, _, weight = offer.replace(" ", "").partition(";q=")
        if not weight or weight.strip("0.") != "":
            named.add(name)
    return next((coding for coding in CODINGS if coding in named), "")


def compress(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Yield the content in a coding, at the level that costs least; memory does not grow with it."""
    if not coding:
        yield from pieces
        return
    if coding == "gzip":
        packer: zlib._Compress | zstandard.ZstdCompressionObj = zlib.compressobj(_FASTEST, wbits=31)
    else:
        packer = zstandard.ZstdCompressor(level=_FASTEST).compressobj()
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()


def code_body(request: HttpRequest, body: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a body in the coding that the client names, and the headers that say so; a short one as it is."""
    coding = choose_coding(request) if len(body) >= WORTH_BYTES else ""
    return (b"".join(compress((body,), coding)), {"Content-Encoding": coding}) if coding else (body, {})
