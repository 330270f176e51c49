"""What the pixels of an instance look like: read from its attributes, checked before anything is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_FRAME_BYTES = 256 * 1024 * 1024
"""The largest frame that is ever decoded."""

Attributes = Mapping[str, Any]
"""DICOM JSON model of a data set (PS3.18 F): eight hexadecimal digits to an object with `vr` and `Value`."""

_INTEGER_PIXELS = "7FE00010"
_FLOAT_PIXELS = {"7FE00008": 32, "7FE00009": 64}
_SUBSAMPLED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})


class NotAnImage(ValueError):
    """The instance has no pixel data: a report, a document, a plan, a presentation state."""


class InvalidImageDescription(ValueError):
    """The image attributes contradict each other or describe something that cannot exist."""


class FrameTooLarge(ValueError):
    """One frame would need more memory than any frame may."""


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """How the stored values of every frame of one instance are to be read.

    `is_float` says that the values are IEEE numbers (Float and Double Float Pixel Data), `pixel_vr` is the
    VR of the pixel element as received, which decides about byte order in big endian data.

    Standard: PS3.3 C.7.6.3
    """

    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    photometric_interpretation: str
    planar_configuration: int
    number_of_frames: int
    transfer_syntax_uid: str
    is_float: bool = False
    pixel_vr: str = "OW"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The native-endian numpy type that holds one sample."""
        if self.is_float:
            return np.dtype(f"f{self.bits_allocated // 8}")
        kind = "i" if self.pixel_representation else "u"
        return np.dtype(f"{kind}{max(self.bits_allocated // 8, 1)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a decoded frame: (rows, columns), with the samples last where there are several."""
        plane = (self.rows, self.columns)
        return plane if self.samples_per_pixel == 1 else (*plane, self.samples_per_pixel)

    @property
    def is_subsampled(self) -> bool:
        """Whether two neighbouring pixels share their chroma in native form (4:2:2)."""
        return self.photometric_interpretation in _SUBSAMPLED

    @property
    def frame_bits(self) -> int:
        """Bits of one decoded frame in native form."""
        return self.rows * self.columns * self.samples_per_pixel * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame in native form, a started byte counted."""
        return (self.frame_bits + 7) // 8


def describe_pixels(attributes: Attributes, transfer_syntax_uid: str) -> PixelDescription:
    """Read and check the image attributes of an instance.

    Raises
    ------
    NotAnImage
        There is no pixel data.
    InvalidImageDescription
        A required attribute is missing, is no number, or contradicts another one.

    Standard: PS3.3 C.7.6.3
    """
    pixel_tag = _find_pixel_tag(attributes)
    bits_allocated = _FLOAT_PIXELS.get(pixel_tag) or read_int(attributes, "00280100", "BitsAllocated")
    bits_stored = read_int(attributes, "00280101", "BitsStored", bits_allocated)
    description = PixelDescription(
        rows=read_int(attributes, "00280010", "Rows"),
        columns=read_int(attributes, "00280011", "Columns"),
        samples_per_pixel=read_int(attributes, "00280002", "SamplesPerPixel", 1),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=read_int(attributes, "00280102", "HighBit", bits_stored - 1),
        pixel_representation=read_int(attributes, "00280103", "PixelRepresentation", 0),
        photometric_interpretation=_read_photometric_interpretation(attributes),
        planar_configuration=read_int(attributes, "00280006", "PlanarConfiguration", 0),
        number_of_frames=read_int(attributes, "00280008", "NumberOfFrames", 1) or 1,
        transfer_syntax_uid=transfer_syntax_uid,
        is_float=pixel_tag in _FLOAT_PIXELS,
        pixel_vr=str(attributes[pixel_tag].get("vr", "OW")),
    )
    _check_description(description)
    return description


def check_frame_size(description: PixelDescription) -> None:
    """Refuse a frame that would take more than `MAX_FRAME_BYTES` when decoded.

    Raises
    ------
    FrameTooLarge
        Rows x Columns x SamplesPerPixel x bytes is above the limit.
    """
    if description.frame_bytes > MAX_FRAME_BYTES:
        raise FrameTooLarge(
            f"{description.rows} x {description.columns} pixels of {description.samples_per_pixel} samples"
            f" of {description.bits_allocated} bits takes {description.frame_bytes} bytes,"
            f" more than {MAX_FRAME_BYTES}"
        )


def read_values(attributes: Attributes, tag: str) -> list[Any]:
    """Return the non-empty values of an attribute; an empty list where it is missing or empty."""
    element = attributes.get(tag)
    if not isinstance(element, Mapping):
        return []
    return [value for value in element.get("Value") or [] if value is not None and value != ""]


def read_items(attributes: Attributes, tag: str) -> list[Attributes]:
    """Return the items of a sequence attribute; an empty list where it is missing or empty."""
    return [item for item in read_values(attributes, tag) if isinstance(item, Mapping)]


def read_int(attributes: Attributes, tag: str, keyword: str, default: int | None = None) -> int:
    """Return the first value of an attribute as a whole number.

    Raises
    ------
    InvalidImageDescription
        The value is no whole number, or is missing and has no default.
    """
    values = read_values(attributes, tag)
    if not values:
        if default is None:
            raise InvalidImageDescription(
                f"{keyword} ({tag[:4]},{tag[4:]}) is missing in an instance with pixel data"
            )
        return default
    try:
        return int(values[0])
    except (TypeError, ValueError) as error:
        raise InvalidImageDescription(
            f"{keyword} ({tag[:4]},{tag[4:]}) is not a number: {values[0]!r}"
        ) from error


def read_floats(attributes: Attributes, tag: str) -> list[float]:
    """Return the values of an attribute that are numbers, in order; others are left out."""
    numbers = []
    for value in read_values(attributes, tag):
        try:
            numbers.append(float(value))
        except (TypeError, ValueError):
            continue
    return [number for number in numbers if np.isfinite(number)]


def _find_pixel_tag(attributes: Attributes) -> str:
    for tag in (_INTEGER_PIXELS, *_FLOAT_PIXELS):
        if tag in attributes:
            return tag
    raise NotAnImage("the instance has no pixel data: there is nothing to show as an image")


def _read_photometric_interpretation(attributes: Attributes) -> str:
    values = read_values(attributes, "00280004")
    if values:
        return str(values[0]).strip().upper()
    samples = read_int(attributes, "00280002", "SamplesPerPixel", 1)
    return "MONOCHROME2" if samples == 1 else "RGB"


def _check_description(description: PixelDescription) -> None:
    allowed_bits = (32, 64) if description.is_float else (1, 8, 16, 32)
    rules = (
        (1 <= description.rows <= 65535, f"Rows is {description.rows}: no image has that many"),
        (1 <= description.columns <= 65535, f"Columns is {description.columns}: no image has that many"),
        (
            description.samples_per_pixel in (1, 3),
            f"SamplesPerPixel is {description.samples_per_pixel}, not 1 or 3",
        ),
        (
            description.bits_allocated in allowed_bits,
            f"BitsAllocated is {description.bits_allocated}, not {allowed_bits}",
        ),
        (
            1 <= description.bits_stored <= description.bits_allocated,
            f"BitsStored is {description.bits_stored} of {description.bits_allocated} allocated",
        ),
        (
            description.bits_stored - 1 <= description.high_bit < description.bits_allocated,
            f"HighBit is {description.high_bit}: {description.bits_stored} bits do not lie there",
        ),
        (
            description.pixel_representation in (0, 1),
            f"PixelRepresentation is {description.pixel_representation}",
        ),
        (
            description.planar_configuration in (0, 1),
            f"PlanarConfiguration is {description.planar_configuration}",
        ),
        (description.number_of_frames >= 1, f"NumberOfFrames is {description.number_of_frames}"),
    )
    for holds, complaint in rules:
        if not holds:
            raise InvalidImageDescription(complaint)
