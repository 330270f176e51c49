"""Zip archives that are written as they are sent: constant memory, no seek, nothing compressed.

Files are framed as deflate data that is not compressed: readers of streams cannot find the end of a file that is
merely stored, and pixels would hardly become smaller.

Standard: PS3.12 V, ISO/IEC 21320-1
"""

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ZIP64_FROM_BYTES = 1 << 30  # far from 4 GiB: sizes are estimates; below, every reader knows the older form


@dataclass(frozen=True, slots=True)
class ZippedFile:
    """One file of an archive; `expected_bytes` is about how long it will be."""

    name: str
    expected_bytes: int
    pieces: Iterable[bytes]


class _Sink(io.RawIOBase):
    """Where the archive is written to, until it is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def stream_zip(files: Iterable[ZippedFile]) -> Iterator[bytes]:
    """Yield an archive of the files, in their order, each read before the next is asked for."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=0) as archive:
        for file in files:
            with archive.open(file.name, "w", force_zip64=file.expected_bytes >= ZIP64_FROM_BYTES) as target:
                for piece in file.pieces:
                    target.write(piece)
                    if written := sink.take():
                        yield written
    yield sink.take()
