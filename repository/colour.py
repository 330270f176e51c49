"""Decoded colour frames to RGB of 8 bits a channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from repository.lookup_table import LookupTable, ReadBulk, read_lookup_table
from repository.pixels import Attributes, InvalidImageDescription, PixelDescription

# Channel by channel: descriptor, data, segmented data.
_PALETTES = (
    ("00281101", "00281201", "00281221"),
    ("00281102", "00281202", "00281222"),
    ("00281103", "00281203", "00281223"),
)
# Where luminance and both chroma values have their zero, and how far partial ranges are stretched.
_FULL_ZERO = np.array([0, 128, 128], np.float32)
_PARTIAL_ZERO = np.array([16, 128, 128], np.float32)
_PARTIAL_SCALE = np.array([255 / 219, 255 / 224, 255 / 224], np.float32)


def render_colour(
    frame: npt.NDArray[Any],
    photometric_interpretation: str,
    description: PixelDescription,
    attributes: Attributes,
    *,
    read_bulk: ReadBulk | None,
) -> npt.NDArray[np.uint8]:
    """Return a decoded colour frame as (rows, columns, 3) RGB.

    Parameters
    ----------
    photometric_interpretation
        The colours of the decoded frame, see `decode.decoded_photometric_interpretation`.

    Raises
    ------
    InvalidImageDescription
        A colour space that is not read here, or a palette that cannot be read.

    Standard: PS3.3 C.7.6.3.1.2
    """
    if photometric_interpretation == "PALETTE COLOR":
        return _apply_palette(frame, description, attributes, read_bulk)
    if photometric_interpretation not in ("RGB", "YBR_FULL", "YBR_PARTIAL"):
        raise InvalidImageDescription(f"colours stored as {photometric_interpretation} cannot be shown")
    samples = _scale_to_8_bits(frame, description)
    if photometric_interpretation == "RGB":
        return samples
    return convert_ybr_to_rgb(samples, is_partial=photometric_interpretation == "YBR_PARTIAL")


def colour_levels(levels: npt.NDArray[np.uint8], attributes: Attributes) -> npt.NDArray[np.uint8]:
    """Return grey levels in the colours of a pseudo-colour presentation state, its palette inside it.

    Raises
    ------
    InvalidImageDescription
        The palette cannot be read.

    Standard: PS3.3 C.11.9, PS3.4 N.2.3
    """
    channels = []
    for descriptor, data, segmented in _PALETTES:
        is_segmented = data not in attributes and segmented in attributes
        tags = (descriptor, segmented if is_segmented else data)
        table = read_lookup_table(
            attributes, tags, is_signed=False, read_bulk=None, is_segmented=is_segmented
        )
        entries = table.scale_to_8_bits()
        channels.append(entries[np.rint(np.linspace(0, entries.size - 1, 256)).astype(np.intp)])
    return np.take(np.stack(channels, axis=-1), levels, axis=0)


def convert_ybr_to_rgb(frame: npt.NDArray[np.uint8], *, is_partial: bool = False) -> npt.NDArray[np.uint8]:
    """Convert YCbCr of 8 bits to RGB.

    Parameters
    ----------
    is_partial
        Whether luminance takes 16 to 235 and chroma 16 to 240 only.

    Standard: PS3.3 C.7.6.3.1.2
    """
    if is_partial:
        full = (frame.astype(np.float32) - _PARTIAL_ZERO) * _PARTIAL_SCALE + _FULL_ZERO
        frame = np.asarray(np.clip(np.rint(full), 0, 255), np.uint8)
    # Pillow's tables take a twentieth of the time of the matrix in numpy, and are off by one at most.
    size = (frame.shape[1], frame.shape[0])
    picture = Image.frombytes("YCbCr", size, np.ascontiguousarray(frame).tobytes())
    return np.asarray(picture.convert("RGB"))


def _scale_to_8_bits(frame: npt.NDArray[Any], description: PixelDescription) -> npt.NDArray[np.uint8]:
    surplus_bits = description.bits_stored - 8
    if surplus_bits > 0:
        frame = frame >> surplus_bits
    elif surplus_bits < 0:
        frame = frame.astype(np.uint16) * 255 // (2**description.bits_stored - 1)
    return frame.astype(np.uint8, copy=False)


def _apply_palette(
    frame: npt.NDArray[Any],
    description: PixelDescription,
    attributes: Attributes,
    read_bulk: ReadBulk | None,
) -> npt.NDArray[np.uint8]:
    tables = [_read_palette(attributes, tags, description, read_bulk) for tags in _PALETTES]
    first_value, count = tables[0].first_value, min(len(table.entries) // 2 for table in tables)
    colours = np.stack([table.scale_to_8_bits()[:count] for table in tables], axis=-1)
    positions = np.clip(frame.astype(np.int32) - first_value, 0, count - 1)
    return np.take(colours, positions, axis=0)


def _read_palette(
    attributes: Attributes,
    tags: tuple[str, str, str],
    description: PixelDescription,
    read_bulk: ReadBulk | None,
) -> LookupTable:
    descriptor, data, segmented = tags
    is_segmented = data not in attributes and segmented in attributes
    return read_lookup_table(
        attributes,
        (descriptor, segmented if is_segmented else data),
        is_signed=bool(description.pixel_representation),
        read_bulk=read_bulk,
        is_segmented=is_segmented,
    )
