"""Two grey images as one: the upper one in the colours of a palette, by its opacity over the lower one.

Standard: PS3.3 C.11.14, PS3.4 N.2.4
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from repository.colour import colour_levels
from repository.greyscale import read_padding
from repository.lookup_table import ReadBulk
from repository.pixels import (
    Attributes,
    InvalidImageDescription,
    PixelDescription,
    read_floats,
    read_items,
    read_values,
)

Picture = npt.NDArray[np.uint8]

BLENDING_SEQUENCE: Final = "00700402"
_POSITION, _OPACITY = "00700405", "00700403"
_STRIP_PIXELS: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Blending:
    """What a blending state says of its two sets of images: an item with references and transformations for each."""

    underlying: Attributes
    superimposed: Attributes
    opacity: float


@dataclass(frozen=True, slots=True)
class Superimposed:
    """A decoded frame that is laid over another one.

    Attributes
    ----------
    mapping
        From (column, row, 1) of the frame below to column and row of this one, see `planes.map_pixels`.
    """

    frame: npt.NDArray[Any]
    description: PixelDescription
    attributes: Attributes
    sop_instance_uid: str
    frame_index: int
    mapping: npt.NDArray[Any]
    read_bulk: ReadBulk | None


def read_blending(state: Attributes) -> Blending | None:
    """Return what a state says about blending; None where it is about something else.

    Raises
    ------
    InvalidImageDescription
        It does not name one set below, one above, and an opacity from 0 to 1.
    """
    if BLENDING_SEQUENCE not in state:
        return None
    places = {
        str(place).strip(): item
        for item in read_items(state, BLENDING_SEQUENCE)
        for place in read_values(item, _POSITION)[:1]
    }
    opacity = read_floats(state, _OPACITY)
    if set(places) != {"UNDERLYING", "SUPERIMPOSED"} or len(opacity) != 1 or not 0 <= opacity[0] <= 1:
        raise InvalidImageDescription(
            "the blending state does not name an UNDERLYING and a SUPERIMPOSED set, and an opacity from 0 to 1"
        )
    return Blending(places["UNDERLYING"], places["SUPERIMPOSED"], opacity[0])


def blend(
    below: Picture, above: Picture, superimposed: Superimposed, state: Attributes, opacity: float
) -> Picture:
    """Return RGB of the size of the frame below.

    Parameters
    ----------
    below, above
        Grey levels of both frames, each in its own size. The upper ones are interpolated where they are needed;
        beyond that frame, and where it has padding, what is below is seen as it is.
    state
        Holds the palette.
    """
    rows, columns = below.shape
    padding = read_padding(superimposed.attributes, superimposed.description)
    blended = np.repeat(below[:, :, None], 3, axis=2)
    step = max(1, _STRIP_PIXELS // columns)
    for top in range(0, rows, step):
        strip = blended[top : top + step]
        grid = np.stack(
            np.broadcast_arrays(
                np.arange(columns)[None, :], np.arange(top, top + len(strip))[:, None], np.float64(1)
            )
        )
        x, y = np.tensordot(superimposed.mapping, grid, axes=1)
        inside = _find_inside(x, y, superimposed.frame, padding)
        if inside.any():
            colours = colour_levels(_interpolate(above, x[inside], y[inside]), state)
            mixed = colours * opacity + strip[inside] * (1 - opacity)
            strip[inside] = np.rint(mixed).astype(np.uint8)
    return blended


def _find_inside(
    x: npt.NDArray[Any], y: npt.NDArray[Any], frame: npt.NDArray[Any], padding: tuple[int, int] | None
) -> npt.NDArray[np.bool_]:
    rows, columns = frame.shape[:2]
    nearest_x, nearest_y = np.floor(x + 0.5), np.floor(y + 0.5)
    inside = (nearest_x >= 0) & (nearest_x < columns) & (nearest_y >= 0) & (nearest_y < rows)
    if padding is not None:
        stored = frame[nearest_y[inside].astype(np.intp), nearest_x[inside].astype(np.intp)]
        inside[inside] = (stored < padding[0]) | (stored > padding[1])
    return np.asarray(inside)


def _interpolate(levels: Picture, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Picture:
    """Return levels between pixels, those of the edge beyond the middle of the last pixel."""
    rows, columns = levels.shape
    x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, bottom = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    part_x, part_y = x - left, y - top
    upper = levels[top, left] * (1 - part_x) + levels[top, right] * part_x
    lower = levels[bottom, left] * (1 - part_x) + levels[bottom, right] * part_x
    levels_between: Picture = np.rint(upper * (1 - part_y) + lower * part_y).astype(np.uint8)
    return levels_between
