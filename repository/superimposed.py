"""The frame of a blending state that lies over another one: found by where both are in the patient, and decoded.

Standard: PS3.3 C.11.14.1.1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from registry.visibility import UnknownStudy
from repository import retrieve, stored_bulk, stored_frames
from repository.blending import Superimposed, read_blending
from repository.decode import decode_frame
from repository.pixels import Attributes, InvalidImageDescription, read_items
from repository.planes import Plane, find_distance_mm, map_pixels, read_plane
from repository.presentation_state import list_images_of
from repository.retrieve import PermittedStudy, StoredInstance

MAX_FRAMES: Final = 5000
_REGISTRATION = "00700404"


@dataclass(frozen=True, slots=True)
class PlacedFrames:
    """Frames of one stored image that may lie over others, numbered from 1."""

    item: StoredInstance
    numbers: tuple[int, ...]


def find_superimposed_images(state: Attributes, study: PermittedStudy) -> tuple[PlacedFrames, ...]:
    """Return the upper set of a blending state as far as it is in this study; nothing for any other state.

    Raises
    ------
    InvalidImageDescription
        It has more frames than are looked at, needs a registration or names segments.
    """
    blending = read_blending(state)
    if blending is None:
        return ()
    if read_items(state, _REGISTRATION):
        raise InvalidImageDescription(
            "the blending state needs a spatial registration, which is not applied here"
        )
    found, count = [], 0
    for reference in list_images_of(blending.superimposed):
        if reference.has_segments:
            raise InvalidImageDescription(
                "the blending state lays segments over images, which is not done here"
            )
        try:
            [item] = retrieve.find_instances(study, reference.series_instance_uid, reference.sop_instance_uid)
        except UnknownStudy:
            continue
        available = stored_frames.count_frames(item)
        numbers = reference.frame_numbers or tuple(range(1, available + 1))
        count += len(numbers)
        if count > MAX_FRAMES:
            raise InvalidImageDescription(f"the blending state names more than {MAX_FRAMES} frames")
        found.append(PlacedFrames(item, tuple(number for number in numbers if 1 <= number <= available)))
    if not found:
        raise InvalidImageDescription("none of the images that the blending state lays over others is here")
    return tuple(found)


def find_over(
    attributes: Attributes, frame_index: int, candidates: Sequence[PlacedFrames]
) -> tuple[PlacedFrames, Plane, Plane] | None:
    """Return the one frame that lies over another one, with both planes; None where none does.

    Raises
    ------
    InvalidImageDescription
        It is not said where the lower frame is, or no upper one shares its frame of reference.
    """
    plane = read_plane(attributes, frame_index)
    planes = _list_planes(tuple(candidates))
    if plane is None or all(
        other.frame_of_reference_uid != plane.frame_of_reference_uid for _, _, other in planes
    ):
        raise InvalidImageDescription(
            "the images of the blending state share no frame of reference: how they lie over each other is not said"
        )
    over = [
        (distance, index)
        for index, (_, _, other) in enumerate(planes)
        if (distance := find_distance_mm(plane, other)) is not None
    ]
    if not over:
        return None
    item, number, other = planes[min(over)[1]]
    return PlacedFrames(item, (number,)), plane, other


def read_superimposed(
    attributes: Attributes, frame_index: int, candidates: Sequence[PlacedFrames]
) -> Superimposed | None:
    """Decode the frame that lies over another one; None where none does. Errors: of `find_over`, and of frames."""
    found = find_over(attributes, frame_index, candidates)
    if found is None:
        return None
    placed, plane, other = found
    [number] = placed.numbers
    payload, description, its_attributes = stored_frames.read_frame_to_decode(placed.item, number)
    return Superimposed(
        decode_frame(payload, description),
        description,
        its_attributes,
        placed.item.sop_instance_uid,
        number - 1,
        map_pixels(plane, other),
        stored_bulk.make_bulk_reader(placed.item),
    )


@lru_cache(maxsize=4)
def _list_planes(candidates: tuple[PlacedFrames, ...]) -> tuple[tuple[StoredInstance, int, Plane], ...]:
    """Read where the upper frames are: once for all frames that are shown with them."""
    planes = []
    for placed in candidates:
        attributes = retrieve.read_attributes(placed.item)
        for number in placed.numbers:
            plane = read_plane(attributes, number - 1)
            if plane is not None:
                planes.append((placed.item, number, plane))
    return tuple(planes)
