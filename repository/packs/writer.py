"""Writing a pack: parts are appended, taken back or kept; at the end the epilogue makes it complete."""

import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO

from registry.wire.multipart_related import close_delimiter
from repository.packs.block_file import BlockFile, Buffer
from repository.packs.layout import (
    PackedInstance,
    PackPreamble,
    encode_epilogue,
    encode_part_header,
    encode_preamble,
)

_FILE_PREAMBLE_BYTES = 128
_HEAD_BYTES = _FILE_PREAMBLE_BYTES + 4
_ZEROES = bytes(_FILE_PREAMBLE_BYTES)


class EmptyPack(ValueError):
    """A pack without instances is never finished; abandon it and delete its object."""


class PackMisuse(RuntimeError):
    """The writer was called out of order: a programming error."""


@dataclass(frozen=True, slots=True)
class FinishedPack:
    """A complete pack whose bytes are durable; its name is durable after `ObjectStore.sync(key)`."""

    key: str
    size_bytes: int
    instances: tuple[PackedInstance, ...]


@dataclass(slots=True)
class _OpenPart:
    """The instance that is being written; `head` collects its first bytes until they can be judged."""

    start: int
    content_start: int
    head: bytearray | None
    transfer_syntax_uid: str


class PackWriter:
    """Append instances to a new pack.

    The order of calls is `begin_part`, `write`..., then `end_part` or `drop_part`; at last `finish` or
    `abandon`, which both close the file. After an OSError only `abandon` is left.

    Parameters
    ----------
    file
        Fresh and empty, open for writing and reading, with a descriptor.
    preamble
        The first line of the pack, which also names its key and boundary.
    """

    def __init__(self, file: BinaryIO, preamble: PackPreamble) -> None:
        self._file = file
        self._preamble = preamble
        self._blocks = BlockFile(file.fileno())
        self._instances: list[PackedInstance] = []
        self._part: _OpenPart | None = None
        self._hash = hashlib.sha256()
        self._blocks.append(encode_preamble(preamble))

    @property
    def key(self) -> str:
        """The key of the pack."""
        return self._preamble.key

    @property
    def size_bytes(self) -> int:
        """How much was written so far, the current part included."""
        return self._blocks.size_bytes

    @property
    def instances(self) -> tuple[PackedInstance, ...]:
        """The instances that were kept so far."""
        return tuple(self._instances)

    def begin_part(self, transfer_syntax_uid: str = "") -> None:
        """Begin an instance; empty if its transfer syntax is not known yet.

        Where it is known the header of the part is written once: else the first block is read back for its sum.
        """
        if self._part is not None:
            raise PackMisuse("the part before was neither ended nor dropped")
        start = self.size_bytes
        self._blocks.append(encode_part_header(self._preamble.boundary, transfer_syntax_uid))
        self._hash = hashlib.sha256()
        self._part = _OpenPart(start, self.size_bytes, bytearray(), transfer_syntax_uid)

    def write(self, chunk: Buffer) -> None:
        """Append bytes of the current instance; a file preamble is replaced by zeroes.

        The first 128 bytes of a PS3.10 file may hold anything, a program too; nobody needs them. Bytes
        without the DICM prefix behind them have no file preamble and are kept as they are.

        Raises
        ------
        OSError
            When the device is full or failed.
        """
        part = self._require_part()
        if part.head is None:
            self._hash.update(chunk)
            self._blocks.append(chunk)
        elif part.head or len(chunk) < _HEAD_BYTES:
            part.head += chunk
            if len(part.head) >= _HEAD_BYTES:
                self._settle_head(part, part.head)
        else:
            self._settle_head(part, chunk)

    def part_view(self) -> memoryview:
        """Show the bytes of the current instance for parsing, without reading a large one into memory.

        Everything of the part must have been written before. The view is good until the part is dropped: the
        next part is written over it.
        """
        part = self._require_part()
        self._settle_short_head(part)
        return self._blocks.view(part.content_start)

    def end_part(
        self, *, sop_instance_uid: str, series_instance_uid: str, transfer_syntax_uid: str
    ) -> PackedInstance:
        """Keep the current instance and name its transfer syntax in the part's header, if that does not yet.

        Raises
        ------
        ValueError
            When the transfer syntax cannot be one; the part is still the current one.
        OSError
            When the device failed.
        """
        part = self._require_part()
        if transfer_syntax_uid != part.transfer_syntax_uid:
            header = encode_part_header(self._preamble.boundary, transfer_syntax_uid)
        else:
            header = b""
        self._settle_short_head(part)
        if header:
            self._blocks.patch(part.start, header)
        instance = PackedInstance(
            sop_instance_uid,
            series_instance_uid,
            part.content_start,
            self.size_bytes - part.content_start,
            self._hash.digest(),
        )
        self._instances.append(instance)
        self._part = None
        return instance

    def drop_part(self) -> None:
        """Take the current instance back; the next one is written over it.

        The file is cut only by `finish`: a view of the part may still be alive, held by an error that is
        being handled, and a cut under a mapping kills the process.
        """
        self._blocks.cut(self._require_part().start)
        self._part = None

    def finish(self) -> FinishedPack:
        """Write the epilogue, make the bytes durable (fdatasync) and close the file.

        Raises
        ------
        EmptyPack
            When no instance was kept.
        OSError
            When the device is full or failed; nothing may be assumed about what is durable.
        """
        if self._part is not None:
            raise PackMisuse("a part was neither ended nor dropped")
        if not self._instances:
            raise EmptyPack(f"pack {self.key} holds no instance")
        self._blocks.append(close_delimiter(self._preamble.boundary))
        data_bytes = self.size_bytes
        epilogue = encode_epilogue(self._preamble, data_bytes, self._blocks.sums(), self._instances)
        self._blocks.finish(epilogue)
        os.fdatasync(self._file.fileno())
        self._file.close()
        return FinishedPack(self.key, data_bytes + len(epilogue), tuple(self._instances))

    def abandon(self) -> None:
        """Close the file as it is, no complete pack; the caller deletes the object. Twice is no error."""
        self._file.close()

    def _require_part(self) -> _OpenPart:
        if self._part is None:
            raise PackMisuse("no part was begun")
        return self._part

    def _settle_head(self, part: _OpenPart, head: Buffer) -> None:
        """Write the first bytes of a part now that it is known whether they are a file preamble."""
        part.head = None
        view = memoryview(head)
        if bytes(view[_FILE_PREAMBLE_BYTES:_HEAD_BYTES]) == b"DICM":
            self._blocks.append(_ZEROES)
            view = view[_FILE_PREAMBLE_BYTES:]
        self._hash.update(view)
        self._blocks.append(view)

    def _settle_short_head(self, part: _OpenPart) -> None:
        if part.head is not None:
            self._settle_head(part, part.head)
