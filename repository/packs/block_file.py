"""Appending to a file in whole, aligned blocks, each with a checksum.

Measured on ext4: a write that does not begin at a page costs two to three times the CPU of an aligned one,
and the parts of a pack begin anywhere. So one block is collected in memory; its checksum is then almost free.
"""

import mmap
import os

from repository.packs.layout import BLOCK_BYTES, sum_block

Buffer = bytes | bytearray | memoryview


class BlockFile:
    """A growing file of which the last, unfinished block is still in memory.

    Parameters
    ----------
    descriptor
        Of a fresh file, open for reading and writing; closing it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._block = memoryview(bytearray(BLOCK_BYTES))
        self._block_start = 0
        self._filled = 0
        self._flushed = 0
        self._end = 0
        self._sums: list[int] = []

    @property
    def size_bytes(self) -> int:
        """How much was appended."""
        return self._block_start + self._filled

    def append(self, chunk: Buffer) -> None:
        """Append bytes; whole blocks go to the file. Raises OSError when the device is full or failed."""
        view = memoryview(chunk)
        while len(view) >= BLOCK_BYTES - self._filled:
            missing = BLOCK_BYTES - self._filled
            self._finish_block(view[:missing])
            view = view[missing:]
        self._block[self._filled : self._filled + len(view)] = view
        self._filled += len(view)

    def patch(self, offset: int, data: bytes) -> None:
        """Write over bytes that were appended before, wherever they are by now."""
        in_file = data[: max(0, self._block_start - offset)]
        if in_file:
            write_all(self._descriptor, in_file, offset)
            for number in range(offset // BLOCK_BYTES, -(-(offset + len(in_file)) // BLOCK_BYTES)):
                self._sums[number] = sum_block(self._read_back(number * BLOCK_BYTES, BLOCK_BYTES))
        rest = data[len(in_file) :]
        if rest:
            at = offset + len(in_file) - self._block_start
            self._block[at : at + len(rest)] = rest
            self._flushed = min(self._flushed, at)

    def cut(self, size_bytes: int) -> None:
        """Forget what was appended after `size_bytes`; the file itself is cut only by `finish`."""
        if size_bytes < self._block_start:
            number = size_bytes // BLOCK_BYTES
            del self._sums[number:]
            self._block_start = number * BLOCK_BYTES
            self._filled = self._flushed = size_bytes - self._block_start
            self._block[: self._filled] = self._read_back(self._block_start, self._filled)
        else:
            self._filled = size_bytes - self._block_start
            self._flushed = min(self._flushed, self._filled)

    def view(self, offset: int) -> memoryview:
        """Show the bytes from `offset` on: a copy of what is in memory only, else a mapping of the file."""
        if offset >= self._block_start:
            return memoryview(bytes(self._block[offset - self._block_start : self._filled]))
        self._flush()
        page_start = offset - offset % mmap.ALLOCATIONGRANULARITY
        length = self.size_bytes - page_start
        mapped = mmap.mmap(self._descriptor, length, prot=mmap.PROT_READ, offset=page_start)
        return memoryview(mapped)[offset - page_start :]

    def sums(self) -> tuple[int, ...]:
        """Give the checksum of every block, of the unfinished one too."""
        if not self._filled:
            return tuple(self._sums)
        return (*self._sums, sum_block(self._block[: self._filled]))

    def finish(self, tail: Buffer) -> None:
        """Write what is left and the tail behind it, and cut the file to that."""
        size_bytes = self.size_bytes + len(tail)
        self._write(tail)
        if self._end > size_bytes:
            os.ftruncate(self._descriptor, size_bytes)

    def _finish_block(self, rest: memoryview) -> None:
        """Write the block of which `rest` is what is missing: from where it lies, a copy saved."""
        self._write(rest)
        self._sums.append(sum_block(self._block[: self._filled], rest))
        self._block_start += BLOCK_BYTES
        self._filled = self._flushed = 0

    def _flush(self) -> None:
        if self._flushed < self._filled:
            self._write(b"")

    def _write(self, more: Buffer) -> None:
        """Write what is not in the file yet, and `more` behind it."""
        start = self._block_start + self._flushed
        write_both(self._descriptor, self._block[self._flushed : self._filled], more, start)
        self._flushed = self._filled
        self._end = max(self._end, self.size_bytes + len(more))

    def _read_back(self, offset: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, offset)
        if len(data) != length:
            raise OSError(f"the file gave back {len(data)} of {length} bytes at {offset}")
        return data


def write_all(descriptor: int, data: Buffer, offset: int) -> None:
    """Write all of `data` at an offset, however little the system takes at once."""
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], offset + written)


def write_both(descriptor: int, first: memoryview, second: Buffer, offset: int) -> None:
    """Write two pieces one behind the other, in one call if the system takes both."""
    written = os.pwritev(descriptor, (first, second), offset)
    if written < len(first):
        write_all(descriptor, first[written:], offset + written)
        written = len(first)
    done = written - len(first)
    if done < len(second):
        write_all(descriptor, memoryview(second)[done:], offset + written)
