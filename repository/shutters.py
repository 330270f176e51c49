"""Parts of a picture that are hidden, and planes of bits that lie over it; both in pixels of the image.

Standard: PS3.3 C.7.6.11, C.9.2
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from repository.lookup_table import ReadBulk
from repository.pixels import Attributes, read_floats, read_int, read_values

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_OVERLAY_GROUPS = tuple(f"60{number:02X}" for number in range(0, 32, 2))


def apply_shutters(picture: Picture, state: Attributes) -> Picture:
    """Return the picture with everything outside of the shutters of a state in their grey."""
    shapes = [str(value).strip().upper() for value in read_values(state, "00181600")]
    if not shapes:
        return picture
    rows, columns = picture.shape[:2]
    visible = np.ones((rows, columns), np.bool_)
    if "RECTANGULAR" in shapes:
        visible &= _open_rectangle(state, rows, columns)
    if "CIRCULAR" in shapes:
        visible &= _open_circle(state, rows, columns)
    if "POLYGONAL" in shapes:
        visible &= _open_polygon(state, rows, columns)
    value = read_floats(state, "00181622")
    grey = int(min(max(value[0], 0.0), 65535.0)) // 257 if value else 0
    hidden = picture.copy()
    hidden[~visible] = grey
    return hidden


def find_active_overlays(
    image: Attributes,
    state: Attributes,
    frame_index: int,
    rows: int,
    columns: int,
    read_bulk: ReadBulk | None,
) -> list[tuple[str, Mask]]:
    """Return the overlay planes that a state activates, each with the layer it belongs to.

    A plane that the state has itself goes before that of the image.
    """
    found = []
    for group in _OVERLAY_GROUPS:
        layers = read_values(state, f"{group}1001")
        if not layers:
            continue
        is_own = f"{group}3000" in state
        source = state if is_own else image
        mask = _read_overlay(source, group, frame_index, rows, columns, None if is_own else read_bulk)
        if mask is not None:
            found.append((str(layers[0]), mask))
    return found


def _read_overlay(
    attributes: Attributes, group: str, frame_index: int, rows: int, columns: int, read_bulk: ReadBulk | None
) -> Mask | None:
    height = read_int(attributes, f"{group}0010", "OverlayRows", 0)
    width = read_int(attributes, f"{group}0011", "OverlayColumns", 0)
    element = attributes.get(f"{group}3000")
    if not element or not 0 < height <= 65535 or not 0 < width <= 65535:
        return None
    first = read_int(attributes, f"{group}0051", "ImageFrameOrigin", 1) - 1
    frames = read_int(attributes, f"{group}0015", "NumberOfFramesInOverlay", 1)
    index = frame_index - first if frames > 1 else 0
    start, count = index * height * width, height * width
    data = _read_bytes(element, f"{group}3000", read_bulk)
    if not 0 <= index < frames or len(data) * 8 < start + count:
        return None
    packed = np.frombuffer(data, np.uint8)[start // 8 : (start + count + 7) // 8]
    bits = np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + count].reshape(height, width)
    origin = read_floats(attributes, f"{group}0050")
    return _place(bits.astype(np.bool_), origin if len(origin) > 1 else [1, 1], rows, columns)


def _place(plane: Mask, origin: list[float], rows: int, columns: int) -> Mask:
    """Return a plane in the size of the image; what lies outside of it is cut off."""
    whole = np.zeros((rows, columns), np.bool_)
    top, left = int(origin[0]) - 1, int(origin[1]) - 1
    cut = plane[max(0, -top) : max(0, rows - top), max(0, -left) : max(0, columns - left)]
    if cut.size:
        y, x = max(0, top), max(0, left)
        whole[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
    return whole


def _read_bytes(element: Any, path: str, read_bulk: ReadBulk | None) -> bytes:
    if "InlineBinary" in element:
        return base64.b64decode(element["InlineBinary"])
    return read_bulk(path) if "BulkDataURI" in element and read_bulk is not None else b""


def _open_rectangle(state: Attributes, rows: int, columns: int) -> Mask:
    left, right, top, bottom = (
        (read_floats(state, tag) or [default])[0]
        for tag, default in (("00181602", 1), ("00181604", columns), ("00181606", 1), ("00181608", rows))
    )
    y, x = np.ogrid[1 : rows + 1, 1 : columns + 1]
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def _open_circle(state: Attributes, rows: int, columns: int) -> Mask:
    centre, radius = read_floats(state, "00181610"), read_floats(state, "00181612")
    if len(centre) < 2 or not radius:
        return np.ones((rows, columns), np.bool_)
    y, x = np.ogrid[1 : rows + 1, 1 : columns + 1]
    inside: Mask = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius[0] ** 2
    return inside


def _open_polygon(state: Attributes, rows: int, columns: int) -> Mask:
    values = read_floats(state, "00181620")
    points = [(x - 1, y - 1) for y, x in zip(values[::2], values[1::2], strict=False)]
    if len(points) < 3:
        return np.ones((rows, columns), np.bool_)
    mask = Image.new("1", (columns, rows))
    ImageDraw.Draw(mask).polygon(points, fill=1)
    return np.asarray(mask)
