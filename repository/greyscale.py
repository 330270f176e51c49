"""Stored values to grey levels: modality transformation, value of interest, presentation, in that order.

Standard: PS3.4 N.2
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from repository.functional_groups import find_frame_macro
from repository.lookup_table import LookupTable, ReadBulk, read_lookup_table
from repository.pixels import Attributes, PixelDescription, read_floats, read_items, read_values
from repository.rendering_parameters import LINEAR, LINEAR_EXACT, SIGMOID, Window, is_valid_width

_RESCALE_INTERCEPT, _RESCALE_SLOPE = "00281052", "00281053"
_WINDOW_CENTER, _WINDOW_WIDTH, _VOI_LUT_FUNCTION = "00281050", "00281051", "00281056"
_MODALITY_LUT_SEQUENCE, _VOI_LUT_SEQUENCE = "00283000", "00283010"
_LUT_TAGS = ("00283002", "00283006")
_PIXEL_VALUE_TRANSFORMATION, _FRAME_VOI_LUT = "00289145", "00289132"
_PIXEL_PADDING_VALUE, _PIXEL_PADDING_RANGE_LIMIT = "00280120", "00280121"
_PRESENTATION_LUT_SHAPE = "20500020"
_SMALLEST_WIDTH = 1e-30


@dataclass(frozen=True, slots=True)
class Rescale:
    """The linear modality transformation."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True)
class GreyTransformation:
    """Everything that decides the grey level of a stored value; comparable, so that its table can be kept.

    `padding` is the range of stored values that are no picture and stay black.
    """

    modality: Rescale | LookupTable
    value_of_interest: Window | LookupTable
    padding: tuple[int, int] | None
    is_inverted: bool


def render_grey(
    frame: npt.NDArray[Any],
    description: PixelDescription,
    attributes: Attributes,
    *,
    frame_index: int,
    window: Window | None,
    read_bulk: ReadBulk | None,
) -> npt.NDArray[np.uint8]:
    """Return the grey levels of a decoded monochrome frame, 0 black and 255 white.

    Parameters
    ----------
    window
        What the client asked for; without it the first window of the frame, then its first VOI table, then
        the range of its values.

    Raises
    ------
    InvalidImageDescription
        A lookup table cannot be read.

    Standard: PS3.3 C.11.1, C.11.2, C.7.5.1.1.2
    """
    modality = _read_modality(attributes, description, frame_index, read_bulk)
    padding = read_padding(attributes, description)
    value_of_interest = (
        window
        or _read_window(attributes, frame_index)
        or _read_voi_table(attributes, modality, description, read_bulk)
        or _find_range(frame, modality, padding)
    )
    transformation = GreyTransformation(
        modality, value_of_interest, padding, _is_inverted(description, attributes)
    )
    if description.is_float or description.bits_allocated > 16:
        return _apply(frame, transformation)
    table = _make_table(frame.dtype.str, transformation)
    return np.take(table, frame.view(f"u{frame.dtype.itemsize}"))


@lru_cache(maxsize=64)
def _make_table(dtype: str, transformation: GreyTransformation) -> npt.NDArray[np.uint8]:
    """Return the grey level of every stored value, in the order of their bits; the frames of a series share it."""
    item_bytes = np.dtype(dtype).itemsize
    table = _apply(np.arange(2 ** (8 * item_bytes), dtype=f"u{item_bytes}").view(dtype), transformation)
    table.setflags(write=False)
    return table


def _apply(stored: npt.NDArray[Any], transformation: GreyTransformation) -> npt.NDArray[np.uint8]:
    values = _apply_modality(stored, transformation.modality)
    if isinstance(transformation.value_of_interest, Window):
        levels = _apply_window(values, transformation.value_of_interest)
    else:
        table = transformation.value_of_interest
        scaled = LookupTable(table.first_value, 8, table.scale_to_8_bits().astype(np.uint16).tobytes())
        levels = scaled.look_up(np.rint(values)).astype(np.uint8)
    if transformation.is_inverted:
        levels = 255 - levels
    if transformation.padding is not None:
        low, high = transformation.padding
        levels[(stored >= low) & (stored <= high)] = 0
    return levels


def _apply_modality(stored: npt.NDArray[Any], modality: Rescale | LookupTable) -> npt.NDArray[Any]:
    if isinstance(modality, LookupTable):
        return modality.look_up(stored).astype(np.float32)
    values: npt.NDArray[Any] = stored.astype(np.float64 if stored.dtype.itemsize > 2 else np.float32)
    values *= modality.slope
    values += modality.intercept
    return values


def _apply_window(values: npt.NDArray[Any], window: Window) -> npt.NDArray[np.uint8]:
    center, width = window.center, window.width
    if window.function == SIGMOID:
        exponent = np.clip(-4.0 * (values - center) / width, -80.0, 80.0)
        levels = 255.0 / (1.0 + np.exp(exponent))
    elif window.function == LINEAR_EXACT:
        levels = ((values - center) / width + 0.5) * 255.0
    elif width == 1:
        levels = np.where(values > center - 0.5, 255.0, 0.0)
    else:
        levels = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255.0
    # A float image may hold NaN where it knows nothing: black.
    whole: npt.NDArray[np.uint8] = np.nan_to_num(np.clip(np.rint(levels), 0, 255)).astype(np.uint8)
    return whole


def _read_modality(
    attributes: Attributes, description: PixelDescription, frame_index: int, read_bulk: ReadBulk | None
) -> Rescale | LookupTable:
    for item in read_items(attributes, _MODALITY_LUT_SEQUENCE):
        return read_lookup_table(
            item,
            _LUT_TAGS,
            is_signed=bool(description.pixel_representation),
            read_bulk=read_bulk,
            path=f"{_MODALITY_LUT_SEQUENCE}/0/",
        )
    macro = find_frame_macro(attributes, frame_index, _PIXEL_VALUE_TRANSFORMATION)
    slope, intercept = read_floats(macro, _RESCALE_SLOPE), read_floats(macro, _RESCALE_INTERCEPT)
    return Rescale(slope[0] if slope and slope[0] else 1.0, intercept[0] if intercept else 0.0)


def _read_window(attributes: Attributes, frame_index: int) -> Window | None:
    macro = find_frame_macro(attributes, frame_index, _FRAME_VOI_LUT)
    centers, widths = read_floats(macro, _WINDOW_CENTER), read_floats(macro, _WINDOW_WIDTH)
    functions = read_values(macro, _VOI_LUT_FUNCTION)
    function = str(functions[0]).strip().upper() if functions else LINEAR
    if function not in (LINEAR, LINEAR_EXACT, SIGMOID):
        function = LINEAR
    for center, width in zip(centers, widths, strict=False):
        if is_valid_width(width, function):
            return Window(center, width, function)
    return None


def _read_voi_table(
    attributes: Attributes,
    modality: Rescale | LookupTable,
    description: PixelDescription,
    read_bulk: ReadBulk | None,
) -> LookupTable | None:
    for item in read_items(attributes, _VOI_LUT_SEQUENCE):
        is_signed = isinstance(modality, Rescale) and (
            modality.intercept < 0 or bool(description.pixel_representation)
        )
        return read_lookup_table(
            item, _LUT_TAGS, is_signed=is_signed, read_bulk=read_bulk, path=f"{_VOI_LUT_SEQUENCE}/0/"
        )
    return None


def read_padding(attributes: Attributes, description: PixelDescription) -> tuple[int, int] | None:
    """Return the first and last stored value that is no picture; None where all are.

    Standard: PS3.3 C.7.5.1.1.2
    """
    if description.is_float:
        return None
    values = read_floats(attributes, _PIXEL_PADDING_VALUE)[:1]
    if not values:
        return None
    values += read_floats(attributes, _PIXEL_PADDING_RANGE_LIMIT)[:1]
    # Archives on the way have read a signed padding value as unsigned; the sign of the pixels decides.
    wraps = bool(description.pixel_representation) and description.bits_allocated == 16
    numbers = [int(value) - 65536 if wraps and value > 32767 else int(value) for value in values]
    return min(numbers), max(numbers)


def _find_range(
    frame: npt.NDArray[Any], modality: Rescale | LookupTable, padding: tuple[int, int] | None
) -> Window:
    shown = frame
    if padding is not None:
        shown = frame[(frame < padding[0]) | (frame > padding[1])]
    if frame.dtype.kind == "f":
        shown = shown[np.isfinite(shown)]
    if not shown.size:
        return Window(0.0, 1.0, LINEAR_EXACT)
    ends = np.array([shown.min(), shown.max()])
    values = _apply_modality(shown if isinstance(modality, LookupTable) else ends, modality)
    low, high = float(values.min()), float(values.max())
    return Window((low + high) / 2, max(high - low, _SMALLEST_WIDTH), LINEAR_EXACT)


def _is_inverted(description: PixelDescription, attributes: Attributes) -> bool:
    shape = [str(value).strip().upper() for value in read_values(attributes, _PRESENTATION_LUT_SHAPE)]
    return description.photometric_interpretation == "MONOCHROME1" or shape[:1] == ["INVERSE"]
