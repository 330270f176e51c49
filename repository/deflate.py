"""The data set of Deflated Explicit VR Little Endian, in and out, one block at a time.

Standard: PS3.5 A.5
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from repository.explicit import BLOCK_BYTES, MalformedDataSet

MAX_INFLATED_BYTES: Final = 4 * 1024**3
"""Where a deflated data set stops being read: no true one comes near."""

_LEVEL = 1  # a third of the time of the usual one, for a few per cent more


class InflatedTooLarge(ValueError):
    """A deflated data set grows beyond every reasonable size."""


def inflate(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what was deflated, in blocks of at most 256 KiB.

    Raises
    ------
    MalformedDataSet
        It is damaged or breaks off.
    InflatedTooLarge
        It grows beyond `MAX_INFLATED_BYTES`.
    """
    inflater, produced_bytes = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        for block in blocks:
            pending = block
            while pending and not inflater.eof:
                inflated = inflater.decompress(pending, BLOCK_BYTES)
                pending = inflater.unconsumed_tail
                produced_bytes += len(inflated)
                if produced_bytes > MAX_INFLATED_BYTES:
                    raise InflatedTooLarge(f"the deflated data set is larger than {MAX_INFLATED_BYTES} bytes")
                yield inflated
    except zlib.error as error:
        raise MalformedDataSet(f"the deflated data set cannot be inflated: {error}") from error
    if not inflater.eof:
        raise MalformedDataSet("the deflated data set breaks off")


def deflate(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks deflated, padded to even length."""
    deflater, produced_bytes = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS), 0
    for block in blocks:
        deflated = deflater.compress(block)
        produced_bytes += len(deflated)
        if deflated:
            yield deflated
    rest = deflater.flush()
    yield rest + b"\0" * ((produced_bytes + len(rest)) % 2)
