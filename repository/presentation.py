"""A frame as a presentation state shows it: grey scale, shutters, region, turn, overlays, graphics, in that order.

Standard: PS3.4 N.2
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from repository.blending import Blending, Superimposed, blend, read_blending
from repository.colour import colour_levels
from repository.decode import decoded_photometric_interpretation
from repository.lookup_table import ReadBulk
from repository.pixels import Attributes, InvalidImageDescription, PixelDescription, read_values
from repository.presentation_graphics import Placement, Point, draw_annotations, read_layer_greys
from repository.presentation_state import (
    DisplayedArea,
    find_displayed_area,
    read_presentation_table,
    substitute_transformations,
)
from repository.render_levels import render_levels
from repository.rendering_parameters import Viewport
from repository.shutters import apply_shutters, find_active_overlays

Picture = npt.NDArray[np.uint8]

MAX_SIDE = 4096
"""Of what is shown without a viewport, unless the image itself is larger."""
_RED_PALETTE = "00281101"
_MAX_MAGNIFICATION = 64.0


def render_presented(
    frame: npt.NDArray[Any],
    description: PixelDescription,
    image: Attributes,
    state: Attributes,
    *,
    superimposed: Superimposed | None,
    sop_instance_uid: str,
    frame_index: int,
    viewport: Viewport | None,
    read_bulk: ReadBulk | None,
) -> Picture:
    """Render a decoded frame by a presentation state.

    Parameters
    ----------
    state
        With its long values in it, as `resolve_bulk_values` returns it.
    superimposed
        What a blending state lays over the frame; without it the frame is seen alone.
    viewport
        The size to fill; without one what is shown keeps its size, a pixel for a pixel.
    read_bulk
        Of the image.

    Raises
    ------
    InvalidImageDescription
        The state or the image describes what cannot be.

    Standard: PS3.18 9.5.2.3
    """
    number = frame_index + 1
    blending = read_blending(state)
    if blending is None:
        picture = _render_levels(frame, description, image, state, sop_instance_uid, frame_index, read_bulk)
    else:
        below = _render_levels(
            frame, description, image, blending.underlying, sop_instance_uid, frame_index, read_bulk
        )
        picture = _lay_over(below, superimposed, state, blending)
    rows, columns = picture.shape[:2]
    picture = apply_shutters(picture, state)
    greys = read_layer_greys(state)
    for layer, mask in find_active_overlays(image, state, frame_index, rows, columns, read_bulk):
        picture = picture.copy()
        picture[mask] = greys.get(layer, 255)
    area = find_displayed_area(state, sop_instance_uid, number, columns, rows)
    shown, placement = _show_area(picture, area, viewport)
    return draw_annotations(shown, state, placement, sop_instance_uid=sop_instance_uid, frame_number=number)


def _render_levels(
    frame: npt.NDArray[Any],
    description: PixelDescription,
    image: Attributes,
    state: Attributes,
    sop_instance_uid: str,
    frame_index: int,
    read_bulk: ReadBulk | None,
) -> Picture:
    if decoded_photometric_interpretation(description) not in ("MONOCHROME1", "MONOCHROME2"):
        return render_levels(
            frame, description, image, frame_index=frame_index, window=None, read_bulk=read_bulk
        )
    merged = substitute_transformations(image, state, description, sop_instance_uid, frame_index + 1)
    # Which end is black is for the state to say, no longer for the photometric interpretation.
    plain = replace(description, photometric_interpretation="MONOCHROME2")
    levels = render_levels(frame, plain, merged, frame_index=frame_index, window=None, read_bulk=read_bulk)
    table = read_presentation_table(state)
    if table is not None:
        entries = table.scale_to_8_bits()
        levels = entries[np.rint(np.linspace(0, entries.size - 1, 256)).astype(np.intp)][levels]
    if read_values(state, _RED_PALETTE):
        return colour_levels(levels, state)
    return levels


def _lay_over(
    below: Picture, superimposed: Superimposed | None, state: Attributes, blending: Blending
) -> Picture:
    if superimposed is None:
        return below
    above = _render_levels(
        superimposed.frame,
        superimposed.description,
        superimposed.attributes,
        blending.superimposed,
        superimposed.sop_instance_uid,
        superimposed.frame_index,
        superimposed.read_bulk,
    )
    if below.ndim != 2 or above.ndim != 2:
        raise InvalidImageDescription("the blending state is about images that have colours already")
    return blend(below, above, superimposed, state, blending.opacity)


def _show_area(picture: Picture, area: DisplayedArea, viewport: Viewport | None) -> tuple[Picture, Placement]:
    """Return the displayed area as a picture, and how points reach it."""
    rows, columns = picture.shape[:2]
    area, (width, height) = _find_size(area, viewport, (max(MAX_SIDE, columns), max(MAX_SIDE, rows)))
    scale_x, scale_y = width / (area.right - area.left), height / (area.bottom - area.top)
    canvas = Image.new("L" if picture.ndim == 2 else "RGB", (width, height))
    left, top = max(area.left, 0.0), max(area.top, 0.0)
    right, bottom = min(area.right, columns), min(area.bottom, rows)
    if left < right and top < bottom:
        size = (max(1, round((right - left) * scale_x)), max(1, round((bottom - top) * scale_y)))
        part = Image.fromarray(np.ascontiguousarray(picture))
        part = part.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom), reducing_gap=2.0)
        canvas.paste(part, (round((left - area.left) * scale_x), round((top - area.top) * scale_y)))
    shown = np.rot90(np.asarray(canvas), -area.quarter_turns)
    shown = np.ascontiguousarray(shown[:, ::-1] if area.is_flipped else shown)

    def place_pixel(point: Point) -> Point:
        x, y = (point[0] - area.left) * scale_x, (point[1] - area.top) * scale_y
        turned = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[area.quarter_turns]
        return (shown.shape[1] - turned[0], turned[1]) if area.is_flipped else turned

    def place_fraction(point: Point) -> Point:
        return point[0] * shown.shape[1], point[1] * shown.shape[0]

    return shown, Placement(place_pixel, place_fraction)


def _find_size(
    area: DisplayedArea, viewport: Viewport | None, limits: tuple[int, int]
) -> tuple[DisplayedArea, tuple[int, int]]:
    """Return what is shown of an area, and its size in the picture before it is turned."""
    is_turned = area.quarter_turns % 2 == 1
    room = limits
    if viewport is not None:
        room = (viewport.height, viewport.width) if is_turned else (viewport.width, viewport.height)
    width, height = area.right - area.left, area.bottom - area.top
    if area.magnification is not None:
        factor = min(area.magnification, _MAX_MAGNIFICATION)
        area = _crop(area, room[0] / factor, room[1] / (factor * area.ratio))
        width, height = (area.right - area.left) * factor, (area.bottom - area.top) * factor * area.ratio
        return area, (max(1, round(width)), max(1, round(height)))
    if viewport is None:
        factor = min(1.0, room[0] / width, room[1] / height)
        return area, (max(1, round(width * factor)), max(1, round(height * factor)))
    height *= area.ratio
    factor = min(room[0] / width, room[1] / height)
    return area, (
        min(int(room[0]), max(1, round(width * factor))),
        min(int(room[1]), max(1, round(height * factor))),
    )


def _crop(area: DisplayedArea, width: float, height: float) -> DisplayedArea:
    """Return the middle of an area that is no larger than given, in pixels of the image."""
    surplus_x = max(0.0, area.right - area.left - width) / 2
    surplus_y = max(0.0, area.bottom - area.top - height) / 2
    return replace(
        area,
        left=area.left + surplus_x,
        right=area.right - surplus_x,
        top=area.top + surplus_y,
        bottom=area.bottom - surplus_y,
    )
