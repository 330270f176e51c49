"""Bulk data that came beside metadata: slices of a spool file, read as often as needed and never held."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One received bulk part.

    Attributes
    ----------
    descriptor
        Of the spool file, owned by whoever spooled.
    offset, length
        Bytes in the spool file.
    media_type, transfer_syntax_uid
        As its Content-Type says, in lower case; the transfer syntax "" where it says none.
    """

    descriptor: int
    offset: int
    length: int
    media_type: str
    transfer_syntax_uid: str = ""

    def read_head(self, size_bytes: int) -> bytes:
        """Return the first bytes, at most so many."""
        return os.pread(self.descriptor, min(size_bytes, self.length), self.offset)

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in blocks."""
        end = self.offset + self.length
        for start in range(self.offset, end, BLOCK_BYTES):
            yield os.pread(self.descriptor, min(BLOCK_BYTES, end - start), start)

    def cut(self, start: int, end: int) -> "BulkPart":
        """Return the part that holds only the bytes from `start` to `end` of this one."""
        return BulkPart(
            self.descriptor, self.offset + start, end - start, self.media_type, self.transfer_syntax_uid
        )
