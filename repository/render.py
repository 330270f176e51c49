"""A decoded frame as a picture that any browser shows: window, region, size, colours and letters as asked."""

from __future__ import annotations

import base64
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from repository.annotations import burn_annotations
from repository.blending import Superimposed
from repository.colour_profiles import convert_to
from repository.functional_groups import find_frame_macro
from repository.lookup_table import ReadBulk
from repository.picture_encoding import JPEG, PNG, encode_picture
from repository.pixels import Attributes, PixelDescription, read_floats, read_items
from repository.presentation import render_presented
from repository.render_levels import render_levels
from repository.rendering_parameters import (
    DEFAULT_QUALITY,
    InvalidRenderingParameter,
    Region,
    Rendering,
    Viewport,
    Window,
    parse_quality,
    parse_viewport,
    parse_window,
)

__all__ = [
    "JPEG",
    "PNG",
    "InvalidRenderingParameter",
    "Viewport",
    "Window",
    "parse_quality",
    "parse_viewport",
    "parse_window",
    "render_frame",
    "render_picture",
    "render_thumbnail",
]

Picture = npt.NDArray[np.uint8]

THUMBNAIL_SIDE: Final = 128
THUMBNAIL_QUALITY: Final = 80

_MAX_SIDE = 16384
_PIXEL_MEASURES = "00289110"
_PIXEL_SPACINGS = ("00280030", "00181164", "00182010")
_PIXEL_ASPECT_RATIO = "00280034"
_MAX_STRETCH = 16.0
_ICC_PROFILE, _OPTICAL_PATHS = "00282000", "00480105"


def render_picture(
    frame: npt.NDArray[Any],
    description: PixelDescription,
    attributes: Attributes,
    rendering: Rendering,
    *,
    frame_index: int = 0,
    read_bulk: ReadBulk | None = None,
    state: Attributes | None = None,
    superimposed: Superimposed | None = None,
    sop_instance_uid: str = "",
) -> tuple[Picture, bytes | None]:
    """Render one decoded frame.

    Parameters
    ----------
    frame
        As `decode.decode_frame` returned it for this description.
    rendering
        A window replaces what the instance itself proposes and is without meaning for colour. The picture is as
        large as fits into the viewport at the image's own aspect ratio; without one it is a pixel for a pixel.
    read_bulk
        Where lookup tables that are too long for the attributes come from.
    state
        A presentation state that decides instead of the instance, with its long values in it.
    superimposed
        What a blending state lays over the frame.

    Returns
    -------
    tuple
        A grey (rows, columns) or RGB (rows, columns, 3) picture, and the ICC profile to embed.

    Raises
    ------
    InvalidRenderingParameter
        The region lies outside the image.
    InvalidImageDescription
        Colours, lookup tables or the presentation state cannot be read.

    Standard: PS3.18 8.3.5, 8.7.4
    """
    if state is None:
        levels = render_levels(
            frame,
            description,
            attributes,
            frame_index=frame_index,
            window=rendering.window,
            read_bulk=read_bulk,
        )
        ratio = _find_pixel_ratio(attributes, frame_index)
        picture = _place(_cut(levels, rendering.region), ratio, rendering.viewport)
    else:
        picture = render_presented(
            frame,
            description,
            attributes,
            state,
            superimposed=superimposed,
            sop_instance_uid=sop_instance_uid,
            frame_index=frame_index,
            viewport=rendering.viewport if rendering.region is None else None,
            read_bulk=read_bulk,
        )
        if rendering.region is not None:
            picture = _place(_cut(picture, rendering.region), 1.0, rendering.viewport)
    profile = None
    if rendering.icc_profile is not None:
        source = _read_profile(attributes if state is None else {**attributes, **state}, read_bulk)
        picture, profile = convert_to(picture, rendering.icc_profile, source)
    picture = burn_annotations(
        picture,
        attributes,
        rendering.annotations,
        frame_index=frame_index,
        number_of_frames=description.number_of_frames,
    )
    return picture, profile


def render_frame(
    frame: npt.NDArray[Any],
    description: PixelDescription,
    attributes: Attributes,
    *,
    frame_index: int = 0,
    window: Window | None = None,
    viewport: Viewport | None = None,
    media_type: str = JPEG,
    quality: int = DEFAULT_QUALITY,
    read_bulk: ReadBulk | None = None,
) -> bytes:
    """Render one decoded frame and encode it; see `render_picture` and `encode_picture`."""
    rendering = Rendering(window, viewport, quality)
    picture, _ = render_picture(
        frame, description, attributes, rendering, frame_index=frame_index, read_bulk=read_bulk
    )
    return encode_picture(picture, media_type, quality=quality)


def render_thumbnail(
    frame: npt.NDArray[Any],
    description: PixelDescription,
    attributes: Attributes,
    *,
    frame_index: int = 0,
    size: Viewport | None = None,
    media_type: str = JPEG,
    read_bulk: ReadBulk | None = None,
) -> bytes:
    """Render a decoded frame small: into `size`, or with 128 pixels on the longer side if the image has so many.

    Raises
    ------
    InvalidImageDescription
        Colours or lookup tables cannot be read.

    Standard: PS3.18 10.4.1.1.4
    """
    if size is None:
        ratio = _find_pixel_ratio(attributes, frame_index)
        longer = max(_square_size(description.columns, description.rows, ratio))
        side = max(1, min(THUMBNAIL_SIDE, longer))
        size = Viewport(side, side)
    return render_frame(
        frame,
        description,
        attributes,
        frame_index=frame_index,
        viewport=size,
        media_type=media_type,
        quality=THUMBNAIL_QUALITY,
        read_bulk=read_bulk,
    )


def _read_profile(attributes: Attributes, read_bulk: ReadBulk | None) -> bytes | None:
    """Return the ICC profile of an image, also that of its first optical path.

    Standard: PS3.3 C.11.15, C.8.12.5
    """
    paths = read_items(attributes, _OPTICAL_PATHS)[:1]
    for source, path in ((attributes, ""), *((item, f"{_OPTICAL_PATHS}/0/") for item in paths)):
        element = source.get(_ICC_PROFILE)
        if isinstance(element, dict):
            if "InlineBinary" in element:
                return base64.b64decode(element["InlineBinary"])
            if "BulkDataURI" in element and read_bulk is not None:
                return read_bulk(path + _ICC_PROFILE)
    return None


def _cut(picture: Picture, region: Region | None) -> Picture:
    """Return the pixels that a region touches, at least one."""
    if region is None:
        return picture
    rows, columns = picture.shape[:2]
    left, top = min(int(region.left * columns), columns - 1), min(int(region.top * rows), rows - 1)
    right = max(left + 1, math.ceil(region.right * columns))
    bottom = max(top + 1, math.ceil(region.bottom * rows))
    return np.ascontiguousarray(picture[top:bottom, left:right])


def _place(picture: npt.NDArray[np.uint8], ratio: float, viewport: Viewport | None) -> npt.NDArray[np.uint8]:
    rows, columns = picture.shape[:2]
    if viewport is None:
        return picture
    left, top, right, bottom = _find_region(viewport, columns, rows)
    shown_width, shown_height = right - left, (bottom - top) * ratio
    factor = min(viewport.width / shown_width, viewport.height / shown_height)
    width = min(viewport.width, max(1, round(shown_width * factor)))
    height = min(viewport.height, max(1, round(shown_height * factor)))
    if (viewport.source_width or 1) < 0:
        picture, left, right = picture[:, ::-1], columns - right, columns - left
    if (viewport.source_height or 1) < 0:
        picture, top, bottom = picture[::-1], rows - bottom, rows - top
    return _resize(np.ascontiguousarray(picture), (left, top, right, bottom), (width, height))


def _find_region(viewport: Viewport, columns: int, rows: int) -> tuple[float, float, float, float]:
    left, top = viewport.source_x, viewport.source_y
    width = columns - left if viewport.source_width is None else abs(viewport.source_width)
    height = rows - top if viewport.source_height is None else abs(viewport.source_height)
    if width <= 0 or height <= 0 or left + width > columns or top + height > rows:
        raise InvalidRenderingParameter(
            f"the viewport's source region {left:g},{top:g},{width:g},{height:g} is not inside the image"
            f" of {columns} x {rows} pixels"
        )
    return left, top, left + width, top + height


def _resize(
    picture: npt.NDArray[np.uint8], box: tuple[float, float, float, float], size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    # Twice the size needed is enough for a good filter: large images are first reduced by whole numbers,
    # which is cheap.
    resized = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    return np.asarray(resized)


def _find_pixel_ratio(attributes: Attributes, frame_index: int) -> float:
    """Return the height of a pixel divided by its width; 1 where nothing or nonsense is said.

    Standard: PS3.3 10.7.1.3, C.7.6.3.1.7
    """
    measures = find_frame_macro(attributes, frame_index, _PIXEL_MEASURES)
    for source, tag in ((measures, _PIXEL_SPACINGS[0]), *((attributes, tag) for tag in _PIXEL_SPACINGS)):
        spacing = read_floats(source, tag)
        if len(spacing) >= 2 and spacing[0] > 0 and spacing[1] > 0:
            return _limit_ratio(spacing[0] / spacing[1])
    aspect = read_floats(attributes, _PIXEL_ASPECT_RATIO)
    if len(aspect) >= 2 and aspect[0] > 0 and aspect[1] > 0:
        return _limit_ratio(aspect[0] / aspect[1])
    return 1.0


def _limit_ratio(ratio: float) -> float:
    return ratio if 1 / _MAX_STRETCH <= ratio <= _MAX_STRETCH else 1.0


def _square_size(columns: int, rows: int, ratio: float) -> tuple[int, int]:
    """Return the size with square pixels: the coarser direction is stretched, nothing is lost."""
    width, height = (float(columns), rows * ratio) if ratio >= 1 else (columns / ratio, float(rows))
    if round(width) == columns and round(height) == rows:
        return columns, rows
    factor = min(1.0, _MAX_SIDE / width, _MAX_SIDE / height)
    return max(1, round(width * factor)), max(1, round(height * factor))
