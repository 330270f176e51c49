"""Frames of instances that have to be rewritten before a frame can be cut out of them: deflated, odd big endian words.

To inflate all of an instance for each of its frames costs the square of what it holds. So the frames from the one that
is asked for on are kept, up to a bound, and the next requests find theirs.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from django.conf import settings

from repository import rendition_cache
from repository.frames import FrameTable
from repository.retrieve import EXPLICIT_LITTLE_ENDIAN, StoredInstance, stream_file
from repository.rewritten import find_rewritten_frames, open_rewritten, read_rewritten_frame

KEPT_PART: Final = 16
"""The part of the cache that one look into an instance may fill."""
MAX_KEPT_FRAMES: Final = 1000


class RewrittenFrames:
    """The frames of one instance, found where they were kept or rewritten when the first is missing."""

    def __init__(self, item: StoredInstance, stack: ExitStack) -> None:
        self._item, self._stack = item, stack
        self._opened: tuple[mmap.mmap, FrameTable | None] | None = None
        self._has_kept = False

    def count(self) -> int:
        """Return how many frames there are; 0 where they cannot be told apart."""
        known = rendition_cache.find(self._name("frames")) if self._opened is None else None
        if known is not None:
            return int.from_bytes(known, "big")
        table = self._open()[1]
        count = 0 if table is None else table.number_of_frames
        rendition_cache.keep(self._name("frames"), count.to_bytes(4, "big"))
        return count

    def read(self, frame_number: int) -> bytes:
        """Return one frame, numbered from 1, as Explicit VR Little Endian has it."""
        if self._opened is None:
            known = rendition_cache.find(self._name("frame", frame_number))
            if known is not None:
                return known
        view, table = self._open()
        if table is None:
            raise AssertionError("a frame of an instance that has none")
        if not self._has_kept:
            self._has_kept = True
            self._keep_from(view, table, frame_number)
        return read_rewritten_frame(view, table, frame_number)

    def _open(self) -> tuple[mmap.mmap, FrameTable | None]:
        if self._opened is None:
            pieces = stream_file(self._item, EXPLICIT_LITTLE_ENDIAN)
            view, header = self._stack.enter_context(open_rewritten(pieces))
            self._opened = view, find_rewritten_frames(view, header)
        return self._opened

    def _keep_from(self, view: mmap.mmap, table: FrameTable, frame_number: int) -> None:
        room_bytes: int = settings.RENDITION_CACHE_BYTES // KEPT_PART
        last = min(table.number_of_frames, frame_number + MAX_KEPT_FRAMES - 1)
        for number in range(frame_number, last + 1):
            frame = read_rewritten_frame(view, table, number)
            room_bytes -= len(frame)
            if room_bytes < 0:
                return
            rendition_cache.keep(self._name("frame", number), frame)

    def _name(self, *parts: object) -> str:
        return rendition_cache.make_key(self._item.sha256, "rewritten", *parts)


@contextmanager
def open_rewritten_frames(item: StoredInstance) -> Iterator[RewrittenFrames]:
    """Give access to the frames of an instance; what was rewritten is gone at the end."""
    with ExitStack() as stack:
        yield RewrittenFrames(item, stack)
