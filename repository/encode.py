"""One array of numbers to the bytes of a frame in a compressed transfer syntax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Final

import imagecodecs
import numpy as np

from repository.decode import JPEG_2000_LOSSLESS, JPEG_LS_LOSSLESS, RLE_LOSSLESS, Frame
from repository.pixels import PixelDescription

_JPEG = "1.2.840.10008.1.2.4."
_LOSSY_QUALITY: Final = 90
_SPIFF_HEADER, _SPIFF_BYTES = b"\xff\xd8\xff\xe8\x00\x20SPIFF\0", 46
_RLE_SEGMENTS: Final = 15
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_LOSSLESS_COLOURS = _GREY | {"PALETTE COLOR", "RGB", "YBR_FULL"}


@dataclass(frozen=True, slots=True)
class _Encoder:
    """How frames of one transfer syntax are made, and of which images.

    `max_bits` is the largest Bits Stored; `colours` are those that a frame may have before it is encoded.
    """

    encode: Callable[[Frame, PixelDescription, str], bytes]
    max_bits: int
    colours: frozenset[str]
    min_bits: int = 1
    is_lossy: bool = False
    takes_signed: bool = True


class UnencodableImage(ValueError):
    """The transfer syntax has no form for such an image, or no encoder here."""


def encode_frame(frame: Frame, description: PixelDescription, colours: str, target: str) -> bytes:
    """Compress one decoded frame.

    Parameters
    ----------
    frame
        As `decode_frame` returns it: (rows, columns) or (rows, columns, 3), only the stored bits.
    colours
        The photometric interpretation of the decoded frame.

    Raises
    ------
    UnencodableImage
        `say_why_not_encodable` gives the reason.

    Standard: PS3.5 8.2, A.4
    """
    reason = say_why_not_encodable(description, colours, target)
    if reason:
        raise UnencodableImage(reason)
    try:
        return _ENCODERS[target].encode(frame, description, colours)
    except (RuntimeError, ValueError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise UnencodableImage(
            f"the frame cannot be encoded in transfer syntax {target}: {reason}"
        ) from error


def say_why_not_encodable(description: PixelDescription, colours: str, target: str) -> str:
    """Say why images like this have no form in a transfer syntax; empty where they have one.

    Standard: PS3.5 8.2.1 to 8.2.4, 8.2.14
    """
    encoder = _ENCODERS.get(target)
    if encoder is None:
        return f"no frames are encoded in transfer syntax {target} here"
    bits, stored = description.bits_allocated, description.bits_stored
    complaints = (
        (description.is_float, "floating point pixels are sent uncompressed only"),
        (bits not in (8, 16), f"images with {bits} bits allocated are sent uncompressed only"),
        (
            not encoder.min_bits <= stored <= encoder.max_bits,
            f"it takes {encoder.min_bits} to {encoder.max_bits} bits a sample, not {stored}",
        ),
        (encoder.max_bits == 8 and bits != 8, f"it takes cells of 8 bits, not {bits}"),
        (colours not in encoder.colours, f"it takes no pixels in {colours}"),
        (description.pixel_representation == 1 and not encoder.takes_signed, "it takes no signed pixels"),
    )
    for applies, complaint in complaints:
        if applies:
            return f"the image cannot be sent in transfer syntax {target}: {complaint}"
    return ""


def encoded_photometric_interpretation(colours: str, target: str) -> str:
    """Name the colours of a data set whose frames were encoded.

    Reversible wavelet syntaxes transform RGB into YBR_RCT inside the codestream, lossy JPEG into YBR_FULL_422;
    everything else keeps its colours.

    Standard: PS3.5 8.2.1, 8.2.4, 8.2.14
    """
    if colours != "RGB":
        return colours
    if target in _WAVELETS:
        return "YBR_RCT"
    return "YBR_FULL_422" if _ENCODERS[target].is_lossy else "RGB"


def _view_unsigned(frame: Frame) -> Frame:
    """Return the cells of signed pixels as they are, sign extended: codestreams that know no sign hold them whole."""
    unsigned: Frame = frame.view(f"u{frame.dtype.itemsize}")
    return unsigned


def _keep_colours(colours: str) -> dict[str, Any]:
    return {"colorspace": "RGB", "outcolorspace": "RGB"} if colours in ("RGB", "YBR_FULL") else {}


def _encode_jpeg_lossless(frame: Frame, description: PixelDescription, colours: str) -> bytes:
    # Whole cells where the sign fills them up; the process begins at two bits, and at nine in cells of two bytes.
    is_signed, least_bits = description.pixel_representation == 1, 2 if description.bits_allocated == 8 else 9
    precision = description.bits_allocated if is_signed else max(description.bits_stored, least_bits)
    samples = _view_unsigned(frame)
    options = _keep_colours(colours)
    raw = imagecodecs.jpeg8_encode(samples, lossless=True, predictor=1, bitspersample=precision, **options)
    return bytes(raw)


def _encode_jpeg_lossy(frame: Frame, description: PixelDescription, colours: str) -> bytes:
    if colours == "RGB":
        raw = imagecodecs.jpeg8_encode(
            frame, _LOSSY_QUALITY, colorspace="RGB", outcolorspace="YCBCR", subsampling="422"
        )
        return bytes(raw)
    precision = 8 if description.bits_stored <= 8 else 12
    return bytes(imagecodecs.jpeg8_encode(frame, _LOSSY_QUALITY, bitspersample=precision))


def _encode_jpeg_ls(frame: Frame, description: PixelDescription, colours: str) -> bytes:
    samples = _view_unsigned(frame)
    # The encoder's own guess is too small for a few pixels of noise.
    raw = bytes(imagecodecs.jpegls_encode(samples, out=2 * samples.nbytes + 4096))
    # In DICOM a codestream stands bare: the file header in front ends with the codestream's own start marker.
    return b"\xff\xd8" + raw[_SPIFF_BYTES:] if raw.startswith(_SPIFF_HEADER) else raw


def _encode_jpeg_2000(frame: Frame, description: PixelDescription, colours: str) -> bytes:
    raw = imagecodecs.jpeg2k_encode(
        frame,
        level=0,
        codecformat="j2k",
        reversible=True,
        bitspersample=description.bits_stored,
        mct=colours == "RGB",
    )
    return bytes(raw)


def _encode_htj2k(frame: Frame, description: PixelDescription, colours: str) -> bytes:
    return bytes(imagecodecs.htj2k_encode(frame, reversible=True, rgb=colours == "RGB", planar=False))


def _encode_htj2k_rpcl(frame: Frame, description: PixelDescription, colours: str) -> bytes:
    # Its smallest resolution is a thumbnail of at most 64 pixels, found by the lengths in the main header.
    thumbnail_steps = (max(description.rows, description.columns) - 1).bit_length() - 6
    raw = imagecodecs.htj2k_encode(
        frame,
        reversible=True,
        rgb=colours == "RGB",
        planar=False,
        resolutions=max(5, thumbnail_steps),
        tlm=True,
    )
    return bytes(raw)


def _encode_rle(frame: Frame, description: PixelDescription, colours: str) -> bytes:
    """Return byte planes, the most significant first, each row packed by itself. Standard: PS3.5 G"""
    samples = np.ascontiguousarray(_view_unsigned(frame).astype(f">u{frame.dtype.itemsize}"))
    planes = samples.view(np.uint8).reshape(description.rows, description.columns, -1).transpose(2, 0, 1)
    segments = [bytes(imagecodecs.packbits_encode(plane)) for plane in planes.copy(order="C")]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    offsets = list(accumulate((len(segment) for segment in segments[:-1]), initial=64))
    head = [len(segments), *offsets, *[0] * (_RLE_SEGMENTS - len(segments))]
    return np.array(head, "<u4").tobytes() + b"".join(segments)


JPEG_BASELINE: Final = _JPEG + "50"
HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL = _JPEG + "201", _JPEG + "202"
_WAVELETS = frozenset({JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL})

_ENCODERS = MappingProxyType(
    {
        _JPEG + "70": _Encoder(_encode_jpeg_lossless, 16, _LOSSLESS_COLOURS),
        # Every selection value belongs to process 14, the first one too.
        _JPEG + "57": _Encoder(_encode_jpeg_lossless, 16, _LOSSLESS_COLOURS),
        RLE_LOSSLESS: _Encoder(_encode_rle, 16, _LOSSLESS_COLOURS),
        JPEG_LS_LOSSLESS: _Encoder(_encode_jpeg_ls, 16, _LOSSLESS_COLOURS),
        JPEG_2000_LOSSLESS: _Encoder(_encode_jpeg_2000, 16, _LOSSLESS_COLOURS),
        HTJ2K_LOSSLESS: _Encoder(_encode_htj2k, 16, _LOSSLESS_COLOURS),
        HTJ2K_LOSSLESS_RPCL: _Encoder(_encode_htj2k_rpcl, 16, _LOSSLESS_COLOURS),
        JPEG_BASELINE: _Encoder(
            _encode_jpeg_lossy, 8, _GREY | {"RGB"}, min_bits=8, is_lossy=True, takes_signed=False
        ),
        _JPEG + "51": _Encoder(_encode_jpeg_lossy, 12, _GREY, min_bits=9, is_lossy=True, takes_signed=False),
    }
)

LOSSLESS_TARGETS: Final = tuple(uid for uid, encoder in _ENCODERS.items() if not encoder.is_lossy)
"""Transfer syntaxes that frames and instances can be compressed in without loss."""

LOSSY_TARGETS: Final = tuple(uid for uid, encoder in _ENCODERS.items() if encoder.is_lossy)
"""Transfer syntaxes of lossy frames; an instance in one would be another instance (PS3.3 C.7.6.1.1.5)."""
