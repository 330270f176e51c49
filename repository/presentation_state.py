"""What a presentation state says: which images it is about, and how they are to be shown.

Standard: PS3.3 C.11.11, C.11.8, C.10.4, C.10.6, C.7.6.11
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from repository.blending import read_blending
from repository.lookup_table import LookupTable, ReadBulk, read_lookup_table
from repository.pixels import (
    Attributes,
    InvalidImageDescription,
    PixelDescription,
    read_floats,
    read_items,
    read_values,
)

_STATES = "1.2.840.10008.5.1.4.1.1.11."
GREYSCALE_STATE: Final = _STATES + "1"
COLOUR_STATE: Final = _STATES + "2"
PSEUDO_COLOUR_STATE: Final = _STATES + "3"
BLENDING_STATE: Final = _STATES + "4"
XA_STATE: Final = _STATES + "5"
RENDERED_STATES: Final = frozenset(
    {GREYSCALE_STATE, COLOUR_STATE, PSEUDO_COLOUR_STATE, BLENDING_STATE, XA_STATE}
)
"""SOP classes whose states are honoured; others cut and render volumes, or blend more than two images."""

_REFERENCED_SERIES, _REFERENCED_IMAGES = "00081115", "00081140"
_MODALITY_TAGS = ("00283000", "00281052", "00281053", "00281054")
_VALUE_OF_INTEREST_TAGS = ("00283010", "00281050", "00281051", "00281056")
_SHAPE, _PRESENTATION_LUT = "20500020", "20500010"
_GROUPS = ("52009229", "52009230")
_SOFTCOPY_VALUE_OF_INTEREST, _DISPLAYED_AREAS = "00283110", "0070005A"
_GRAPHIC_DATA = "00700022"
_MAX_BULK_VALUES = 1000


@dataclass(frozen=True, slots=True)
class ReferencedImage:
    """One image that a state is about; without frame numbers, all of its frames, or some of its segments only."""

    series_instance_uid: str
    sop_instance_uid: str
    frame_numbers: tuple[int, ...]
    has_segments: bool = False


@dataclass(frozen=True, slots=True)
class DisplayedArea:
    """The region to show, in pixels of the image before it is turned: 0,0 is the corner of the first pixel.

    It may reach beyond the image. `ratio` is the height of a pixel divided by its width, `magnification` is
    None unless the state asks for a fixed one. Then the image is turned clockwise `quarter_turns` times, and
    last left and right are exchanged if it `is_flipped`.

    Standard: PS3.3 C.10.4, C.10.6
    """

    left: float
    top: float
    right: float
    bottom: float
    ratio: float = 1.0
    magnification: float | None = None
    quarter_turns: int = 0
    is_flipped: bool = False


def is_state(sop_class_uid: str) -> bool:
    """Whether a SOP class is one of presentation states."""
    return sop_class_uid.startswith(_STATES)


def list_referenced_images(state: Attributes) -> list[ReferencedImage]:
    """List the images that a state is about, in its order; of a blending state the lower ones.

    Raises
    ------
    InvalidImageDescription
        A blending state does not say which those are.
    """
    blending = read_blending(state)
    return list_images_of(state if blending is None else blending.underlying)


def list_images_of(state: Attributes) -> list[ReferencedImage]:
    """List the images that a data set or an item refers to by series."""
    found = []
    for series in read_items(state, _REFERENCED_SERIES):
        uids = read_values(series, "0020000E")
        for item in read_items(series, _REFERENCED_IMAGES):
            instances = read_values(item, "00081155")
            if uids and instances:
                numbers = tuple(int(number) for number in read_floats(item, "00081160"))
                has_segments = bool(read_values(item, "0062000B"))
                found.append(ReferencedImage(str(uids[0]), str(instances[0]), numbers, has_segments))
    return found


def applies_to(item: Attributes, sop_instance_uid: str, frame_number: int) -> bool:
    """Whether an item of a state holds for a frame: it names no images, or this one."""
    images = read_items(item, _REFERENCED_IMAGES)
    if not images:
        return True
    for image in images:
        if sop_instance_uid in read_values(image, "00081155"):
            numbers = read_floats(image, "00081160")
            return not numbers or frame_number in numbers
    return False


def substitute_transformations(
    image: Attributes,
    state: Attributes,
    description: PixelDescription,
    sop_instance_uid: str,
    frame_number: int,
) -> Attributes:
    """Return the attributes of an image with the grey scale transformations of the state in place of its own.

    What the state does not have is not done: all values that the image can have are shown then.

    Standard: PS3.4 N.2
    """
    dropped = {*_MODALITY_TAGS, *_VALUE_OF_INTEREST_TAGS, *_GROUPS, _SHAPE}
    merged = {tag: element for tag, element in image.items() if tag not in dropped}
    merged |= {tag: state[tag] for tag in (*_MODALITY_TAGS, _SHAPE) if tag in state}
    for item in read_items(state, _SOFTCOPY_VALUE_OF_INTEREST):
        if applies_to(item, sop_instance_uid, frame_number):
            return merged | {tag: item[tag] for tag in _VALUE_OF_INTEREST_TAGS if tag in item}
    low, high = _find_possible_range(merged, description)
    return merged | {
        "00281050": {"vr": "DS", "Value": [(low + high) / 2]},
        "00281051": {"vr": "DS", "Value": [max(high - low, 1.0)]},
        "00281056": {"vr": "CS", "Value": ["LINEAR_EXACT"]},
    }


def read_presentation_table(state: Attributes) -> LookupTable | None:
    """Return the table from levels to what is shown; None where the state has a shape instead.

    Standard: PS3.3 C.11.6
    """
    for item in read_items(state, _PRESENTATION_LUT):
        return read_lookup_table(item, ("00283002", "00283006"), is_signed=False, read_bulk=None)
    return None


def find_displayed_area(
    state: Attributes, sop_instance_uid: str, frame_number: int, columns: int, rows: int
) -> DisplayedArea:
    """Return the region of a frame that the state shows; all of it where it says nothing.

    Raises
    ------
    InvalidImageDescription
        The rotation is none by right angles.
    """
    turns, is_flipped = _read_orientation(state)
    for item in read_items(state, _DISPLAYED_AREAS):
        if not applies_to(item, sop_instance_uid, frame_number):
            continue
        first, last = read_floats(item, "00700052"), read_floats(item, "00700053")
        if len(first) < 2 or len(last) < 2:
            continue
        modes = read_values(item, "00700100")
        magnifications = read_floats(item, "00700103")
        is_magnified = modes[:1] == ["MAGNIFY"] and bool(magnifications) and magnifications[0] > 0
        return DisplayedArea(
            min(first[0], last[0]) - 1,
            min(first[1], last[1]) - 1,
            max(first[0], last[0]),
            max(first[1], last[1]),
            _read_ratio(item),
            magnifications[0] if is_magnified else None,
            turns,
            is_flipped,
        )
    return DisplayedArea(0, 0, columns, rows, 1.0, None, turns, is_flipped)


def resolve_bulk_values(state: Attributes, read_bulk: ReadBulk) -> dict[str, Any]:
    """Return a state whose long values (tables, graphics) are in it instead of referred to.

    Raises
    ------
    InvalidImageDescription
        There are more of them than any real state has.
    """
    budget = [_MAX_BULK_VALUES]
    return _resolve(state, read_bulk, "", budget)


def _resolve(attributes: Attributes, read_bulk: ReadBulk, path: str, budget: list[int]) -> dict[str, Any]:
    resolved: dict[str, Any] = {}
    for tag, element in attributes.items():
        if "BulkDataURI" in element:
            budget[0] -= 1
            if budget[0] < 0:
                raise InvalidImageDescription(
                    f"the presentation state has more than {_MAX_BULK_VALUES} long values"
                )
            data = read_bulk(path + tag)
            # Explicit VR has no room for long FL: such points come as UN (PS3.5 6.2.2).
            is_float = element.get("vr") == "FL" or tag == _GRAPHIC_DATA
            resolved[tag] = _inline("FL" if is_float else str(element.get("vr")), data)
        elif element.get("vr") == "SQ":
            items = [
                _resolve(item or {}, read_bulk, f"{path}{tag}/{index}/", budget)
                for index, item in enumerate(element.get("Value") or [])
            ]
            resolved[tag] = {"vr": "SQ", "Value": items}
        else:
            resolved[tag] = element
    return resolved


def _inline(vr: str, data: bytes) -> Mapping[str, Any]:
    if vr == "FL":
        return {"vr": vr, "Value": np.frombuffer(data, "<f4", len(data) // 4).tolist()}
    return {"vr": vr, "InlineBinary": base64.b64encode(data).decode("ascii")}


def _read_orientation(state: Attributes) -> tuple[int, bool]:
    angle = read_floats(state, "00700042")
    if angle and angle[0] % 90:
        raise InvalidImageDescription(f"Image Rotation (0070,0042) is {angle[0]:g}, not a multiple of 90")
    is_flipped = [str(value).strip() for value in read_values(state, "00700041")][:1] == ["Y"]
    return int(angle[0] // 90) % 4 if angle else 0, is_flipped


def _read_ratio(item: Attributes) -> float:
    for tag in ("00700101", "00700102"):
        values = read_floats(item, tag)
        if len(values) >= 2 and values[0] > 0 and values[1] > 0 and 1 / 16 <= values[0] / values[1] <= 16:
            return values[0] / values[1]
    return 1.0


def _find_possible_range(attributes: Attributes, description: PixelDescription) -> tuple[float, float]:
    for item in read_items(attributes, "00283000"):
        bits = read_floats(item, "00283002")[2:]
        return 0.0, 2.0 ** (bits[0] if bits else 16) - 1
    top = 2.0**description.bits_stored
    low, high = (-top / 2, top / 2 - 1) if description.pixel_representation else (0.0, top - 1)
    slope, intercept = read_floats(attributes, "00281053"), read_floats(attributes, "00281052")
    factor, shift = (slope[0] if slope and slope[0] else 1.0), (intercept[0] if intercept else 0.0)
    ends = sorted((low * factor + shift, high * factor + shift))
    return ends[0], ends[1]
