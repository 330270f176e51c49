"""One frame from one transfer syntax to another."""

from __future__ import annotations

from typing import Final

import numpy as np

from repository import guarded_codecs
from repository.decode import (
    DECODABLE_SYNTAXES,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    NATIVE_SYNTAXES,
    Frame,
    UndecodableFrame,
    decode_frame,
    decoded_photometric_interpretation,
)
from repository.encode import LOSSLESS_TARGETS, LOSSY_TARGETS, say_why_not_encodable
from repository.pixels import PixelDescription, check_frame_size

COMPRESSED_TARGETS: Final = (*LOSSLESS_TARGETS, *LOSSY_TARGETS)
"""Transfer syntaxes that frames are compressed in."""

FRAME_TARGETS: Final = (EXPLICIT_VR_LITTLE_ENDIAN, *COMPRESSED_TARGETS)
"""Transfer syntaxes that frames are converted to, as far as they allow it."""


class UnsupportedConversion(ValueError):
    """There is no way from the one transfer syntax to the other."""


def say_why_not_convertible(description: PixelDescription, target: str) -> str:
    """Say why frames like these cannot be converted to a transfer syntax; empty where they can.

    Standard: PS3.5 8.2
    """
    source = description.transfer_syntax_uid
    if source == target:
        return ""
    if source not in DECODABLE_SYNTAXES or target not in FRAME_TARGETS:
        return f"frames in transfer syntax {source} cannot be converted to {target}"
    if target == EXPLICIT_VR_LITTLE_ENDIAN:
        return ""
    return say_why_not_encodable(description, decoded_photometric_interpretation(description), target)


def convert_frame(
    raw: bytes, description: PixelDescription, target: str = EXPLICIT_VR_LITTLE_ENDIAN, *, bit_offset: int = 0
) -> bytes:
    """Return one frame as it would stand in an instance of the target transfer syntax.

    A frame that is native already keeps its planar configuration and colours (the metadata describes
    those), only its byte order becomes little endian. A compressed one is decoded: colour by pixel, RGB
    where it was transformed for compression. For a compressed target it is decoded and encoded.

    Raises
    ------
    UnsupportedConversion
        The target is none that can be made from this source; `say_why_not_convertible` gives the reason.
    UndecodableFrame
        See `decode_frame`.

    Standard: PS3.18 8.7.3.5, PS3.5 8.2
    """
    source = description.transfer_syntax_uid
    if source == target:
        return raw
    reason = say_why_not_convertible(description, target)
    if reason:
        raise UnsupportedConversion(reason)
    if target != EXPLICIT_VR_LITTLE_ENDIAN:
        return _encode_frame(raw, description, target, bit_offset)
    if source in NATIVE_SYNTAXES and description.bits_allocated > 1:
        return _swap_native(raw, description) if source == EXPLICIT_VR_BIG_ENDIAN else raw
    return encode_native_frame(decode_frame(raw, description, bit_offset=bit_offset), description)


def encode_native_frame(frame: Frame, description: PixelDescription) -> bytes:
    """Return a decoded frame as native little endian bytes, colour by pixel; one-bit samples packed, the
    last byte filled up.

    Standard: PS3.5 8.1.1
    """
    if description.bits_allocated == 1:
        return np.packbits(frame.astype(np.uint8).ravel(), bitorder="little").tobytes()
    return frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()


def _swap_native(raw: bytes, description: PixelDescription) -> bytes:
    word_bytes = description.bits_allocated // 8
    if word_bytes == 1 and description.pixel_vr != "OW":
        return raw
    word_bytes = max(word_bytes, 2)
    padded = raw + b"\0" * (-len(raw) % word_bytes)
    return np.frombuffer(padded, f"u{word_bytes}").byteswap().tobytes()[: len(raw)]


def _encode_frame(raw: bytes, description: PixelDescription, target: str, bit_offset: int) -> bytes:
    check_frame_size(description)
    colours = decoded_photometric_interpretation(description)
    try:
        encoded = guarded_codecs.run_codec(
            raw, description, bit_offset=bit_offset, colours=colours, target=target
        )
    except (guarded_codecs.RefusedFrame, guarded_codecs.LostCodec) as error:
        raise UndecodableFrame(str(error)) from error
    return bytes(encoded)
