"""Pictures of stored instances: read, decoded, rendered and encoded, or found where they were kept.

Standard: PS3.18 8.7.2, 10.4.1.1.3, 10.4.1.1.4
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from repository import rendition_cache, retrieve, stored_bulk, stored_frames
from repository.decode import decode_frame
from repository.films import MP4, stream_film
from repository.frame_times import find_frame_delay_s, find_frame_delays_s
from repository.frames import FrameOutOfRange
from repository.icons import draw_icon
from repository.picture_encoding import GIF, encode_picture, stream_gif
from repository.pixels import (
    Attributes,
    InvalidImageDescription,
    NotAnImage,
    PixelDescription,
    read_values,
)
from repository.presentation_state import RENDERED_STATES, is_state, resolve_bulk_values
from repository.render import THUMBNAIL_QUALITY, THUMBNAIL_SIDE, render_picture, render_thumbnail
from repository.rendering_parameters import Rendering, Viewport
from repository.retrieve import PermittedStudy, StoredInstance
from repository.stored_bulk import make_bulk_reader
from repository.superimposed import PlacedFrames, find_superimposed_images, read_superimposed

Picture = npt.NDArray[np.uint8]

IMAGE: Final = "image"
VIDEO: Final = "video"
TEXT: Final = "text"
STATE: Final = "presentation state"
OTHER: Final = "other"

VERSION: Final = 2
"""Of what pictures look like: a change makes all that was kept unknown."""

MAX_STATE_BULK_BYTES: Final = 4 << 20

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_REPORTS, _DOCUMENTS = f"{_STORAGE}88.", f"{_STORAGE}104."
_BURNED_IN_ANNOTATION, _MODALITY = "00280301", "00080060"


@dataclass(frozen=True, slots=True)
class PresentationState:
    """A stored presentation state with its attributes, long values in them, and the frames that it lays over others."""

    item: StoredInstance
    attributes: Attributes
    superimposed: tuple[PlacedFrames, ...] = ()

    @property
    def digests(self) -> bytes:
        """What of the store, besides the image shown, decides about the picture."""
        return b"".join([self.item.sha256, *(placed.item.sha256 for placed in self.superimposed)])


def categorize(item: StoredInstance) -> str:
    """Tell the resource category of an instance: IMAGE, VIDEO, TEXT, STATE or OTHER.

    Standard: PS3.18 8.7.2
    """
    if stored_bulk.is_video(item):
        return VIDEO
    if item.frame_table is not None:
        return IMAGE
    if item.sop_class_uid.startswith((_REPORTS, _DOCUMENTS)):
        return TEXT
    if is_state(item.sop_class_uid):
        return STATE if item.sop_class_uid in RENDERED_STATES else OTHER
    try:
        retrieve.describe(item)
    except NotAnImage:
        return OTHER
    except InvalidImageDescription:
        return IMAGE  # one that will say what is wrong with it
    return IMAGE


def check_numbers(item: StoredInstance, numbers: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the frames to show: those asked for, or all that the image has.

    Raises
    ------
    FrameOutOfRange
        One of them is not there, or the instance has no frames of its own.
    """
    if categorize(item) != IMAGE:
        raise FrameOutOfRange("this instance has no frames that could be shown one by one")
    count = stored_frames.count_frames(item)
    if numbers is None:
        return tuple(range(1, count + 1))
    if max(numbers) > count:
        raise FrameOutOfRange(f"frame {max(numbers)} of {count}")
    return numbers


def read_state(item: StoredInstance, study: PermittedStudy) -> PresentationState:
    """Read a presentation state of a study, whose other images it may lay over those that it shows.

    Raises
    ------
    InvalidImageDescription
        It holds more than any real state does, or blends what cannot be blended here.
    """

    def read(path: str) -> bytes:
        data = b""
        for block in retrieve.read_bulk_value(item, path):
            data += block
            if len(data) > MAX_STATE_BULK_BYTES:
                raise InvalidImageDescription(f"a value of the presentation state is too long: {path}")
        return data

    attributes = resolve_bulk_values(retrieve.read_attributes(item), read)
    return PresentationState(item, attributes, find_superimposed_images(attributes, study))


def name_rendition(
    item: StoredInstance,
    numbers: Sequence[int],
    rendering: Rendering,
    media_type: str,
    state: PresentationState | None = None,
) -> str:
    """Return the name of a picture: equal names mean equal bytes."""
    shown_by = state.digests if state is not None else b""
    return rendition_cache.make_key(
        item.sha256, "rendered", VERSION, tuple(numbers), rendering, media_type, shown_by
    )


def render_frames(
    item: StoredInstance,
    numbers: Sequence[int],
    rendering: Rendering,
    media_type: str,
    state: PresentationState | None = None,
) -> Iterator[bytes]:
    """Yield the encoded picture of each frame, one in memory at a time; what was kept is not made again.

    Pictures with letters on them are never kept: names may be corrected.

    Raises
    ------
    FrameOutOfRange, NotAnImage, InvalidImageDescription, UndecodableFrame, InvalidRenderingParameter
        There is nothing to show, or not so.
    """
    frames: Iterator[tuple[bytes, PixelDescription, Attributes]] | None = None
    for position, number in enumerate(numbers):
        key = name_rendition(item, (number,), rendering, media_type, state)
        found = None if rendering.annotations else rendition_cache.find(key)
        if frames is None and found is None:
            frames = _read_frames(item, numbers[position:])
        source = next(frames) if frames is not None else None
        if found is None and source is not None:
            picture, profile = _render(item, source, number - 1, rendering, state)
            found = encode_picture(picture, media_type, quality=rendering.quality, profile=profile)
            if not rendering.annotations:
                rendition_cache.keep(key, found)
        if found is not None:
            yield found


def render_animation(
    item: StoredInstance,
    numbers: Sequence[int],
    rendering: Rendering,
    media_type: str,
    state: PresentationState | None = None,
) -> Iterator[bytes]:
    """Yield a GIF or a film that shows frames one after the other, at the pace of the image.

    A film is kept once all of it was made, see `find_film`; never one with letters in it.

    Raises
    ------
    films.FilmTooLarge
        There are more frames, or larger ones, than a film may have.
    """
    frames = _read_frames(item, numbers)
    first = next(frames)
    exact = replace(rendering, icc_profile=None)

    def draw() -> Iterator[Picture]:
        yield _render(item, first, numbers[0] - 1, exact, state)[0]
        for number, source in zip(numbers[1:], frames, strict=True):
            yield _render(item, source, number - 1, exact, state)[0]

    if media_type == GIF:
        yield from stream_gif(draw(), delay_s=find_frame_delay_s(first[2]))
        return
    durations_s = find_frame_delays_s(first[2], numbers)
    film = stream_film(draw(), durations_s=durations_s, quality=rendering.quality)
    if not rendering.annotations:
        film = rendition_cache.keep_stream(name_rendition(item, numbers, rendering, media_type, state), film)
    yield from film


def find_film(
    item: StoredInstance,
    numbers: Sequence[int],
    rendering: Rendering,
    media_type: str,
    state: PresentationState | None = None,
) -> bytes | None:
    """Return a film that was kept whole; None where it has to be made."""
    if media_type != MP4 or rendering.annotations:
        return None
    return rendition_cache.find(name_rendition(item, numbers, rendering, media_type, state))


def render_stored_thumbnail(
    item: StoredInstance, number: int, size: Viewport | None, media_type: str
) -> bytes:
    """Return a small picture of a frame, or of a sheet of paper where there is no image or it has letters in it.

    Standard: PS3.18 10.4.1.1.4: it holds nothing that identifies the patient
    """
    key = rendition_cache.make_key(item.sha256, "thumbnail", VERSION, number, size, media_type)
    found = rendition_cache.find(key)
    if found is None:
        found = _make_thumbnail(item, number, size, media_type)
        rendition_cache.keep(key, found)
    return found


def find_representative(items: Sequence[StoredInstance]) -> tuple[StoredInstance, int]:
    """Choose the frame that stands for a series or a study: the middle frame of the middle image."""
    images = [item for item in items if item.frame_table is not None]
    if not images:
        return items[0], 1
    chosen = images[len(images) // 2]
    return chosen, (stored_frames.count_frames(chosen) + 1) // 2


def _read_frames(
    item: StoredInstance, numbers: Sequence[int]
) -> Iterator[tuple[bytes, PixelDescription, Attributes]]:
    """Yield frames with what is known of them; the attributes are read once."""
    payload, description, attributes = stored_frames.read_frame_to_decode(item, numbers[0])
    yield payload, description, attributes
    if numbers[1:]:
        for raw in stored_frames.read_frames(item, numbers[1:], item.transfer_syntax_uid):
            yield raw, description, attributes


def _render(
    item: StoredInstance,
    source: tuple[bytes, PixelDescription, Attributes],
    frame_index: int,
    rendering: Rendering,
    state: PresentationState | None,
) -> tuple[Picture, bytes | None]:
    payload, description, attributes = source
    over = None
    if state is not None and state.superimposed:
        over = read_superimposed(attributes, frame_index, state.superimposed)
    return render_picture(
        decode_frame(payload, description),
        description,
        attributes,
        rendering,
        frame_index=frame_index,
        read_bulk=make_bulk_reader(item),
        state=state.attributes if state is not None else None,
        superimposed=over,
        sop_instance_uid=item.sop_instance_uid,
    )


def _make_thumbnail(item: StoredInstance, number: int, size: Viewport | None, media_type: str) -> bytes:
    if categorize(item) != IMAGE:
        return _draw_icon(retrieve.read_attributes(item), size, media_type)
    payload, description, attributes = stored_frames.read_frame_to_decode(item, number)
    if [str(value).strip() for value in read_values(attributes, _BURNED_IN_ANNOTATION)][:1] == ["YES"]:
        return _draw_icon(attributes, size, media_type)
    return render_thumbnail(
        decode_frame(payload, description),
        description,
        attributes,
        frame_index=number - 1,
        size=size,
        media_type=media_type,
        read_bulk=make_bulk_reader(item),
    )


def _draw_icon(attributes: dict[str, Any] | Attributes, size: Viewport | None, media_type: str) -> bytes:
    label = "".join(str(value) for value in read_values(attributes, _MODALITY)[:1])
    width, height = (size.width, size.height) if size is not None else (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return encode_picture(draw_icon(label, width, height), media_type, quality=THUMBNAIL_QUALITY)


def is_animation(media_type: str, numbers: Sequence[int]) -> bool:
    """Whether these frames become one picture that moves, or a film."""
    return (media_type == GIF and len(numbers) > 1) or (media_type == MP4 and bool(numbers))
