"""Retrieve frames: cut out of the pack, or out of a rewritten instance where they do not lie in it as they are sent.

Standard: PS3.18 10.4.1.1.6
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from repository import rendition_cache
from repository.decode import NATIVE_SYNTAXES, SLOW_SYNTAXES
from repository.frame_conversion import (
    COMPRESSED_TARGETS,
    UnsupportedConversion,
    convert_frame,
    say_why_not_convertible,
)
from repository.frames import FrameOutOfRange, FrameTable
from repository.packs.reader import PackReader
from repository.pixels import InvalidImageDescription, NotAnImage, PixelDescription
from repository.retrieve import (
    EXPLICIT_LITTLE_ENDIAN,
    Json,
    StoredInstance,
    describe,
    open_pack,
    syntax_to_send,
)
from repository.rewritten import BIG_ENDIAN, DEFLATED
from repository.rewritten_frames import open_rewritten_frames

MAX_FRAMES_A_REQUEST = 10_000
MAX_DESCRIPTIONS = 4096


class MalformedFrameList(ValueError):
    """The frame list is not numbers from 1 with commas between."""


def frame_syntax_to_send(item: StoredInstance, wanted: str) -> str:
    """Decide in which transfer syntax frames leave.

    As `syntax_to_send`, but a frame is never deflated, and lossy syntaxes that the client names are made of it.

    Raises
    ------
    UnsupportedConversion
        The wanted syntax cannot be made from what is stored.
    """
    if wanted in COMPRESSED_TARGETS and wanted != item.transfer_syntax_uid:
        reason = say_why_not_convertible(_require_description(item), wanted)
        if reason:
            raise UnsupportedConversion(reason)
        return wanted
    target = syntax_to_send(item, wanted)
    return EXPLICIT_LITTLE_ENDIAN if target == DEFLATED else target


def describe_frames(item: StoredInstance) -> PixelDescription | None:
    """Return what the frames of an instance are like; None where there is nothing to decode or no way to tell."""
    try:
        return _require_description(item)
    except (NotAnImage, InvalidImageDescription):
        return None


def _require_description(item: StoredInstance) -> PixelDescription:
    known = _DESCRIPTIONS.get(item.sha256)
    if known is None:
        known = describe(item)[0]
        if len(_DESCRIPTIONS) >= MAX_DESCRIPTIONS:
            _DESCRIPTIONS.pop(next(iter(_DESCRIPTIONS)), None)
        _DESCRIPTIONS[item.sha256] = known
    return known


_DESCRIPTIONS: dict[
    bytes, PixelDescription
] = {}  # an instance never changes, so what is known of it stays true


def parse_frame_list(text: str) -> tuple[int, ...]:
    """Read `1,4,2`: numbers from 1, in the order they are wanted.

    Raises
    ------
    MalformedFrameList
        It is anything else.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*", text):
        raise MalformedFrameList(f"frame list {text[:50]!r}: give frame numbers from 1 with commas between")
    numbers = tuple(int(n) for n in text.split(","))
    if len(numbers) > MAX_FRAMES_A_REQUEST:
        raise MalformedFrameList(f"{len(numbers)} frames in one request, at most {MAX_FRAMES_A_REQUEST}")
    return numbers


def frame_table_of(item: StoredInstance) -> FrameTable:
    """Return where the frames of an instance lie.

    Raises
    ------
    FrameOutOfRange
        The instance has no pixel data, or none that can be told apart into frames.
    """
    if item.frame_table is None:
        raise FrameOutOfRange(_say_why_no_frames(item))
    return FrameTable.from_bytes(item.frame_table)


def read_frame(pack: PackReader, item: StoredInstance, table: FrameTable, frame_number: int) -> bytes:
    """Return one frame as it is stored."""
    if frame_number > table.number_of_frames:
        raise FrameOutOfRange(f"frame {frame_number} of {table.number_of_frames}")
    ranges = table.ranges_of(frame_number - 1)
    raw = b"".join(pack.read(item.offset + offset, length) for offset, length in ranges)
    return table.cut(frame_number - 1, raw)


def read_frames(item: StoredInstance, frame_numbers: Sequence[int], target: str) -> Iterator[bytes]:
    """Yield frames in a transfer syntax that `frame_syntax_to_send` allowed, one in memory at a time.

    Raises
    ------
    FrameOutOfRange
        One of them is not there; decided before the first is read.
    """
    if _needs_rewriting(item):
        yield from _read_rewritten_frames(item, frame_numbers, target)
        return
    table = frame_table_of(item)
    _check_numbers(frame_numbers, table.number_of_frames)
    description = None if target == item.transfer_syntax_uid else _require_description(item)
    with open_pack(item) as pack:
        for frame_number in frame_numbers:
            read = partial(read_frame, pack, item, table, frame_number)
            yield read() if description is None else _convert(read, item, frame_number, description, target)


def _convert(
    read: Callable[[], bytes],
    item: StoredInstance,
    frame_number: int,
    description: PixelDescription,
    target: str,
) -> bytes:
    """Convert a frame, or find it converted before."""
    key = _name_rendition(item, frame_number, target)
    if not key:
        return convert_frame(read(), description, target)
    frame = rendition_cache.find(key)
    if frame is None:
        frame = convert_frame(read(), description, target)
        rendition_cache.keep(key, frame)
    return frame


def _name_rendition(item: StoredInstance, frame_number: int, target: str) -> str:
    """Return the name under which a converted frame is kept; empty where making it costs no more than keeping it."""
    is_slow = target not in NATIVE_SYNTAXES or item.transfer_syntax_uid in SLOW_SYNTAXES
    return rendition_cache.make_key(item.sha256, "frame", frame_number, target) if is_slow else ""


def read_frame_to_decode(item: StoredInstance, frame_number: int) -> tuple[bytes, PixelDescription, Json]:
    """Return a frame, what `decode_frame` must know of these very bytes, and all attributes of the instance.

    Raises
    ------
    NotAnImage, InvalidImageDescription, FrameOutOfRange
        There is nothing to decode.
    """
    description, attributes = describe(item)
    payload = next(read_frames(item, (frame_number,), item.transfer_syntax_uid))
    if _needs_rewriting(item):
        description = replace(description, transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN)
    return payload, description, attributes


def _needs_rewriting(item: StoredInstance) -> bool:
    """Whether frames cannot be cut out of the pack: deflated, or parts of big endian words."""
    if item.transfer_syntax_uid == DEFLATED:
        return True
    if item.transfer_syntax_uid != BIG_ENDIAN or item.frame_table is None:
        return False
    description = _require_description(item)
    is_in_words = description.pixel_vr == "OW" and description.bits_allocated <= 8
    return is_in_words and description.frame_bits % 16 != 0


def _read_rewritten_frames(
    item: StoredInstance, frame_numbers: Sequence[int], target: str
) -> Iterator[bytes]:
    with open_rewritten_frames(item) as frames:
        count = frames.count()
        if not count:
            raise FrameOutOfRange(_say_why_no_frames(item))
        _check_numbers(frame_numbers, count)
        description = None
        if target not in NATIVE_SYNTAXES:
            description = replace(_require_description(item), transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN)
        for frame_number in frame_numbers:
            read = partial(frames.read, frame_number)
            yield read() if description is None else _convert(read, item, frame_number, description, target)


def _check_numbers(frame_numbers: Sequence[int], number_of_frames: int) -> None:
    if max(frame_numbers) > number_of_frames:
        raise FrameOutOfRange(f"frame {max(frame_numbers)} of {number_of_frames}")


def _say_why_no_frames(item: StoredInstance) -> str:
    try:
        describe(item)
    except NotAnImage:
        return "this instance has no frames: it has no pixel data"
    except InvalidImageDescription as error:
        return f"this instance has no frames that could be found: {error}"
    return (
        "the pixel data cannot be told apart into frames (it is too short, damaged, or a video):"
        " retrieve the instance or its bulk data"
    )


def count_frames(item: StoredInstance) -> int:
    """Return how many frames of an image can be shown."""
    if item.frame_table is not None:
        return FrameTable.from_bytes(item.frame_table).number_of_frames
    return item.number_of_frames or 1
