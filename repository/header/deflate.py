"""Inflating a deflated data set within limits.

Standard: PS3.5 A.5
"""

import zlib

from repository.header.errors import DeflateBomb, TruncatedDataSet, UnreadableDataSet
from repository.header.fragments import Buffer

MAX_KEPT_BYTES = 64 << 20
MAX_RATIO = 200
_ALLOWANCE_BYTES = 1 << 20
_BLOCK_BYTES = 256 << 10


def inflate_data_set(buffer: Buffer, offset: int) -> tuple[bytes, int]:
    """Inflate the data set that begins at `offset`.

    Returns
    -------
    tuple
        The first 64 MiB of it at most, and the size of all of it. Memory is bounded by the former.

    Raises
    ------
    DeflateBomb
        If it grows more than 200-fold (the first MiB is free).
    TruncatedDataSet, UnreadableDataSet
        If the stream ends too early or is no deflate stream.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    limit = _ALLOWANCE_BYTES + MAX_RATIO * (len(buffer) - offset)
    kept: list[bytes] = []
    total = 0
    pending = b""
    while not stream.eof:
        block = pending or bytes(buffer[offset : offset + _BLOCK_BYTES])
        if not block:
            raise TruncatedDataSet("the deflated data set ends too early")
        if not pending:
            offset += len(block)
        try:
            part = stream.decompress(block, _BLOCK_BYTES)
        except zlib.error as error:
            raise UnreadableDataSet("the data set is not deflated as the transfer syntax says") from error
        pending = stream.unconsumed_tail
        if total < MAX_KEPT_BYTES:
            kept.append(part[: MAX_KEPT_BYTES - total])
        total += len(part)
        if total > limit:
            raise DeflateBomb(f"the deflated data set grows more than {MAX_RATIO}-fold")
    return b"".join(kept), total
