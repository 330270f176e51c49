"""Reading a pack by ranges. Every block is verified before a byte of it is given away."""

from collections.abc import Iterator

from registry.wire.multipart_related import close_delimiter
from repository.objects.base import ObjectReader
from repository.packs.layout import (
    FOOTER_BYTES,
    MAX_PREAMBLE_BYTES,
    InvalidPack,
    PackedInstance,
    PackPreamble,
    Trailer,
    decode_epilogue,
    decode_preamble,
    read_footer,
    sum_block,
)

_TAIL_BYTES = 64 * 1024  # the epilogue of some 200 instances: one read instead of two


class CorruptBlock(OSError):
    """A block does not have its checksum; cut the answer, raise the alarm, do not retry."""


class RangeOutsidePack(ValueError):
    """The range is not within the pack: the row that names it belongs to another pack."""


class PackReader:
    """Read verified bytes of one pack.

    Parameters
    ----------
    objects
        The open object; closing it stays the caller's.
    trailer
        What `read_trailer` of the same pack gave before, from a cache; else the epilogue is read when needed.
    """

    def __init__(self, objects: ObjectReader, trailer: Trailer | None = None) -> None:
        self._object = objects
        self._trailer = trailer
        self._last_block: tuple[int, bytes] = (-1, b"")

    def read_trailer(self) -> Trailer:
        """Read the epilogue; raises `InvalidPack` when it is not there or not whole."""
        if self._trailer is None:
            self._trailer = _read_trailer(self._object)
        return self._trailer

    @property
    def instances(self) -> tuple[PackedInstance, ...]:
        """The instances of the pack in the order in which they lie."""
        return self.read_trailer().instances

    def read_preamble(self) -> PackPreamble:
        """Read the pack's first line; raises `InvalidPack`."""
        return decode_preamble(self._object.read_at(0, min(MAX_PREAMBLE_BYTES, self._object.size_bytes)))

    def blocks(self, offset: int, length: int) -> Iterator[bytes]:
        """Give exactly the bytes of a range, in pieces of at most 256 KiB.

        Raises
        ------
        CorruptBlock
            Before any byte of the bad block is given; what came before was good.
        RangeOutsidePack
            At once, before the first piece.
        TruncatedObject, OSError
            From the object store.
        """
        trailer = self.read_trailer()
        if offset < 0 or length < 0 or offset + length > trailer.data_bytes:
            raise RangeOutsidePack(
                f"{length} bytes at {offset} are not within the {trailer.data_bytes} of {self._object.key}"
            )
        return self._verified_pieces(trailer, offset, offset + length)

    def read(self, offset: int, length: int) -> bytes:
        """Read a range at once; raises as `blocks` does."""
        return b"".join(self.blocks(offset, length))

    def verify(self) -> None:
        """Read the whole pack and hold every block against its checksum; raises `CorruptBlock`."""
        for _ in self.blocks(0, self.read_trailer().data_bytes):
            pass

    def _verified_pieces(self, trailer: Trailer, start: int, end: int) -> Iterator[bytes]:
        size = trailer.block_bytes
        after_last = -(-end // size) if end > start else 0
        for number, block in self._verified_blocks(trailer, start // size, after_last):
            block_start = number * size
            first, last = max(start - block_start, 0), min(end - block_start, len(block))
            yield block if last - first == len(block) else block[first:last]

    def _verified_blocks(self, trailer: Trailer, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Give the blocks from `first` to before `last`; the one read last is not read again."""
        size = trailer.block_bytes
        at_once = max(1, self._object.preferred_read_bytes // size)
        number = first
        if number < last and self._last_block[0] == number:
            yield self._last_block
            number += 1
        while number < last:
            count = min(at_once, last - number)
            start = number * size
            data = self._object.read_at(start, min(count * size, trailer.data_bytes - start))
            for index in range(count):
                block = data if count == 1 else data[index * size : (index + 1) * size]
                if sum_block(block) != trailer.block_sums[number]:
                    raise CorruptBlock(f"block {number} of {self._object.key} does not have its checksum")
                self._last_block = (number, block)
                yield number, block
                number += 1


def is_complete(objects: ObjectReader) -> bool:
    """Tell whether an object is a finished pack: a whole epilogue that belongs to its first line.

    The boundary ties them together: an instance that holds the end of another pack does not know this pack's
    boundary. Whether the bytes between are intact is `PackReader.verify`'s question.

    Raises
    ------
    OSError
        When the object cannot be read; that says nothing about the pack.
    """
    reader = PackReader(objects)
    try:
        trailer = reader.read_trailer()
        preamble = reader.read_preamble()
    except InvalidPack:
        return False
    closing = close_delimiter(trailer.boundary)
    return (preamble.key, preamble.boundary) == (trailer.key, trailer.boundary) and objects.read_at(
        trailer.data_bytes - len(closing), len(closing)
    ) == closing


def _read_trailer(objects: ObjectReader) -> Trailer:
    size_bytes = objects.size_bytes
    tail_bytes = min(_TAIL_BYTES, size_bytes)
    tail = objects.read_at(size_bytes - tail_bytes, tail_bytes)
    epilogue_bytes = read_footer(tail[-FOOTER_BYTES:], size_bytes)
    if epilogue_bytes > tail_bytes:
        tail = objects.read_at(size_bytes - epilogue_bytes, epilogue_bytes)
    return decode_epilogue(tail[-epilogue_bytes:], size_bytes)
