"""One frame of stored bytes to an array of numbers, whatever the transfer syntax."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final

import imagecodecs
import numpy as np
import numpy.typing as npt

from repository import guarded_codecs
from repository.codestream import Codestream, UnreadableCodestream, read_jpeg_2000_header, read_jpeg_header
from repository.pixels import PixelDescription, check_frame_size

Frame = npt.NDArray[Any]

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1.99"
ENCAPSULATED_UNCOMPRESSED: Final = "1.2.840.10008.1.2.1.98"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
DEFLATED_IMAGE_FRAME: Final = "1.2.840.10008.1.2.8.1"
RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
JPEG_LS_LOSSLESS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"

NATIVE_SYNTAXES: Final = frozenset(
    {
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
    }
)
_JPEG = "1.2.840.10008.1.2.4."
_JPEG_LOSSY = frozenset({_JPEG + "50", _JPEG + "51", _JPEG + "53", _JPEG + "55"})
_JPEG_LOSSLESS = frozenset({_JPEG + "57", _JPEG + "70"})
_JPEG_LS = frozenset({JPEG_LS_LOSSLESS, _JPEG + "81"})
_JPEG_2000 = frozenset({JPEG_2000_LOSSLESS, _JPEG + "91"})
_HTJ2K = frozenset({_JPEG + "201", _JPEG + "202", _JPEG + "203"})

DECODABLE_SYNTAXES: Final = (
    NATIVE_SYNTAXES
    | _JPEG_LOSSY
    | _JPEG_LOSSLESS
    | _JPEG_LS
    | _JPEG_2000
    | _HTJ2K
    | {RLE_LOSSLESS, DEFLATED_IMAGE_FRAME, ENCAPSULATED_UNCOMPRESSED}
)
"""Transfer syntaxes whose frames `decode_frame` reads."""

_LOSSY = _JPEG_LOSSY | {_JPEG + "81", _JPEG + "91", _JPEG + "203"}

SLOW_SYNTAXES: Final = _JPEG_2000 | _JPEG_LS
"""Transfer syntaxes that take longer to decode than a frame takes to write to a file and read back."""

_GUARDED = DECODABLE_SYNTAXES - NATIVE_SYNTAXES - {DEFLATED_IMAGE_FRAME, ENCAPSULATED_UNCOMPRESSED}

_RLE_SLACK_BYTES = 64 * 1024


class UndecodableFrame(ValueError):
    """The bytes of a frame cannot be turned into the image that the attributes describe."""


def decode_frame(raw: bytes, description: PixelDescription, *, bit_offset: int = 0) -> Frame:
    """Decode one frame, in a guarded process where its codec is a library written in C.

    Parameters
    ----------
    raw
        The bytes of the frame, its fragments joined.
    bit_offset
        Where the frame begins in its first byte; not 0 only in native data of one bit a sample, where
        frames are packed without a gap.

    Returns
    -------
    Array of (rows, columns) or (rows, columns, 3) in native byte order, signed where Pixel Representation
    says so, without the bits above and below those stored. Colours are those of
    `decoded_photometric_interpretation`.

    Raises
    ------
    FrameTooLarge
        More than `pixels.MAX_FRAME_BYTES` when decoded; found before any work is done.
    UndecodableFrame
        The transfer syntax is none that is read here, the bytes are damaged, they hold another image than
        described, or they brought the codec down.
    guarded_codecs.CodecsBusy
        No process was free in time.

    Standard: PS3.5 8.1, A.4
    """
    check_frame_size(description)
    if description.transfer_syntax_uid not in _GUARDED:
        return decode_here(raw, description, bit_offset=bit_offset)
    try:
        samples = guarded_codecs.run_codec(raw, description, bit_offset=bit_offset)
        return np.frombuffer(samples, description.dtype).reshape(description.shape)
    except (guarded_codecs.RefusedFrame, guarded_codecs.LostCodec, ValueError) as error:
        raise UndecodableFrame(str(error)) from error


def decode_here(raw: bytes, description: PixelDescription, *, bit_offset: int = 0) -> Frame:
    """Decode one frame in this process; parameters, result and errors are those of `decode_frame`."""
    check_frame_size(description)
    decode = _find_decoder(description.transfer_syntax_uid)
    if decode is None:
        raise UndecodableFrame(f"no decoder for frames in transfer syntax {description.transfer_syntax_uid}")
    if decode is _decode_native:
        return _decode_native(raw, description, bit_offset)
    try:
        frame = decode(raw, description)
        return (
            _clip_to_stored_bits(frame, description) if description.transfer_syntax_uid in _LOSSY else frame
        )
    except (UnreadableCodestream, RuntimeError, ValueError, zlib.error, MemoryError) as error:
        if isinstance(error, UndecodableFrame):
            raise
        reason = str(error) or type(error).__name__
        raise UndecodableFrame(
            f"frame in {description.transfer_syntax_uid} cannot be decoded: {reason}"
        ) from error


def decoded_photometric_interpretation(description: PixelDescription) -> str:
    """Name the colours that a frame has after `decode_frame`.

    Lossy JPEG and JPEG 2000 frames come out as RGB where they were transformed for compression; everything
    else keeps its colours, except that no decoded frame is chroma-subsampled.

    Standard: PS3.5 8.2
    """
    stored, syntax = description.photometric_interpretation, description.transfer_syntax_uid
    if description.samples_per_pixel != 3:
        return stored
    if syntax in _JPEG_LOSSY and stored.startswith("YBR"):
        return "RGB"
    if stored in ("YBR_ICT", "YBR_RCT"):
        return "RGB"
    return {"YBR_FULL_422": "YBR_FULL", "YBR_PARTIAL_422": "YBR_PARTIAL"}.get(stored, stored)


def _find_decoder(syntax: str) -> Callable[..., Frame] | None:
    if syntax in NATIVE_SYNTAXES or syntax == ENCAPSULATED_UNCOMPRESSED:
        return _decode_native
    if syntax in _JPEG_LOSSY or syntax in _JPEG_LOSSLESS:
        return _decode_jpeg
    if syntax in _JPEG_LS:
        return _decode_jpeg_ls
    if syntax in _JPEG_2000 or syntax in _HTJ2K:
        return _decode_jpeg_2000
    return {RLE_LOSSLESS: _decode_rle, DEFLATED_IMAGE_FRAME: _decode_deflated}.get(syntax)


def _decode_native(raw: bytes, description: PixelDescription, bit_offset: int = 0) -> Frame:
    if description.bits_allocated == 1:
        return _unpack_bits(raw, description, bit_offset)
    subsampled = description.is_subsampled and description.samples_per_pixel == 3
    # A 4:2:2 label on data of full length is a known lie: the length is right, the label is not.
    subsampled = subsampled and len(raw) < description.frame_bytes
    expected_bytes = description.frame_bytes * 2 // 3 if subsampled else description.frame_bytes
    _check_length(raw, expected_bytes)
    samples = _read_samples(raw, expected_bytes, description)
    if subsampled:
        return _mask_bits(_upsample_chroma(samples, description), description)
    return _mask_bits(_interleave(samples, description), description)


def _read_samples(raw: bytes, expected_bytes: int, description: PixelDescription) -> Frame:
    big_endian = description.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
    item_bytes = description.bits_allocated // 8
    if big_endian and item_bytes == 1 and description.pixel_vr == "OW":
        # Two samples of 8 bits share a 16-bit word, and it is the word that is big endian (PS3.5 8.1.1, A.3).
        padded = raw[: expected_bytes + expected_bytes % 2].ljust(expected_bytes + expected_bytes % 2, b"\0")
        raw = np.frombuffer(padded, np.uint16).byteswap().tobytes()
    dtype = description.dtype.newbyteorder(">" if big_endian else "<")
    samples = np.frombuffer(raw, dtype, expected_bytes // item_bytes)
    return samples.astype(description.dtype)


def _interleave(samples: Frame, description: PixelDescription) -> Frame:
    if description.samples_per_pixel == 1 or description.planar_configuration == 0:
        return samples.reshape(description.shape)
    planes = samples.reshape(description.samples_per_pixel, description.rows, description.columns)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _upsample_chroma(samples: Frame, description: PixelDescription) -> Frame:
    if description.columns % 2:
        raise UndecodableFrame(
            f"{description.photometric_interpretation} with an odd number of columns cannot be read"
        )
    pairs = samples.reshape(description.rows, description.columns // 2, 4)
    frame = np.empty((description.rows, description.columns, 3), samples.dtype)
    frame[:, 0::2, 0], frame[:, 1::2, 0] = pairs[:, :, 0], pairs[:, :, 1]
    frame[:, 0::2, 1:] = frame[:, 1::2, 1:] = pairs[:, :, 2:]
    return frame


def _unpack_bits(raw: bytes, description: PixelDescription, bit_offset: int) -> Frame:
    count = description.frame_bits
    _check_length(raw, (bit_offset + count + 7) // 8)
    packed = np.frombuffer(raw, np.uint8)
    if (
        description.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
        and description.pixel_vr == "OW"
        and len(raw) % 2 == 0
    ):
        packed = packed.view(np.uint16).byteswap().view(np.uint8)
    bits = np.unpackbits(packed, count=bit_offset + count, bitorder="little")[bit_offset:]
    return _interleave(bits.astype(description.dtype), description)


def _mask_bits(frame: Frame, description: PixelDescription) -> Frame:
    """Remove what lies above and below the stored bits (overlays of old, noise) and extend the sign."""
    if description.is_float or description.bits_stored == description.bits_allocated:
        return frame
    above = description.bits_allocated - 1 - description.high_bit
    # A shift up and an arithmetic shift down does both: masks the bits above, and copies the sign bit over
    # them.
    frame <<= above
    frame >>= description.bits_allocated - description.bits_stored
    return frame


def _decode_rle(raw: bytes, description: PixelDescription) -> Frame:
    if description.bits_allocated == 1:
        packed = imagecodecs.dicomrle_decode(raw, "u1", out=description.frame_bytes + _RLE_SLACK_BYTES)
        return _unpack_bits(bytes(packed), description, 0)
    dtype = np.dtype(f"<u{description.bits_allocated // 8}")
    # Runs grow by 64 times: the output is bounded by the frame, with room for what pads the segments of some encoders.
    decoded = imagecodecs.dicomrle_decode(raw, dtype, out=description.frame_bytes + _RLE_SLACK_BYTES)
    _check_length(bytes(decoded), description.frame_bytes)
    samples = np.frombuffer(decoded, dtype, description.frame_bytes // dtype.itemsize).astype(
        dtype.newbyteorder("=")
    )
    planes = samples.reshape(description.samples_per_pixel, description.rows, description.columns)
    frame = (
        planes[0] if description.samples_per_pixel == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0))
    )
    return _mask_bits(frame.view(description.dtype), description)


def _decode_deflated(raw: bytes, description: PixelDescription) -> Frame:
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, description.frame_bytes + 1)
    return _decode_native(inflated, description)


def _decode_jpeg(raw: bytes, description: PixelDescription) -> Frame:
    header = read_jpeg_header(raw)
    _check_codestream(header, description)
    if header.components == 1:
        frame = imagecodecs.jpeg8_decode(raw)
    elif description.transfer_syntax_uid in _JPEG_LOSSLESS:
        frame = imagecodecs.jpeg8_decode(raw, colorspace="RGB", outcolorspace="RGB")
    else:
        stored = "YCBCR" if _is_stored_as_ycbcr(header, description) else "RGB"
        frame = imagecodecs.jpeg8_decode(raw, colorspace=stored, outcolorspace="RGB")
    return _fit(frame, description, description.bits_stored)


def _is_stored_as_ycbcr(header: Codestream, description: PixelDescription) -> bool:
    # The codestream's own word counts most, but few encoders write it; a subsampled second component is
    # never green.
    if header.adobe_transform is not None:
        return header.adobe_transform == 1
    return header.is_chroma_subsampled or description.photometric_interpretation != "RGB"


def _decode_jpeg_ls(raw: bytes, description: PixelDescription) -> Frame:
    header = read_jpeg_header(raw)
    _check_codestream(header, description)
    sign_bits = min(header.precision, description.bits_stored)
    return _fit(imagecodecs.jpegls_decode(raw), description, sign_bits)


def _decode_jpeg_2000(raw: bytes, description: PixelDescription) -> Frame:
    header = read_jpeg_2000_header(raw)
    _check_codestream(header, description)
    if description.transfer_syntax_uid in _HTJ2K:
        frame = imagecodecs.htj2k_decode(raw, planar=False)  # without this, colours come as they were coded
    else:
        frame = imagecodecs.jpeg2k_decode(raw)
    return _fit(frame, description, min(header.precision, description.bits_stored))


def _fit(decoded: Frame, description: PixelDescription, sign_bits: int) -> Frame:
    """Give the decoder's integers the type that the attributes promise.

    Codestreams of signed data are mostly unsigned (JPEG and JPEG-LS know nothing else), and some signed
    ones belong to unsigned data: the bits are right, their reading is not.
    """
    if decoded.shape != description.shape:
        decoded = decoded.reshape(description.shape)
    target = description.dtype
    if decoded.dtype.kind == target.kind:
        return decoded.astype(target, copy=False)
    if target.kind == "u":
        unsigned: Frame = decoded.astype(target)
        unsigned &= target.type(2**sign_bits - 1)
        return unsigned
    missing_bits = target.itemsize * 8 - sign_bits
    extended = decoded.astype(target)
    extended <<= missing_bits
    extended >>= missing_bits
    return extended


def _clip_to_stored_bits(frame: Frame, description: PixelDescription) -> Frame:
    """Bring values that lossy compression pushed over the ends of the range back to the ends.

    Codestreams may have more bits than are stored; cut off, a white a little too bright would turn black.
    """
    bits = description.bits_stored
    if bits == description.bits_allocated:
        return frame
    is_signed = description.pixel_representation == 1
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    clipped: Frame = np.clip(frame, low, high)
    return clipped


def _check_codestream(header: Codestream, description: PixelDescription) -> None:
    if header.precision > description.bits_allocated:
        raise UndecodableFrame(
            f"the codestream has {header.precision} bits a sample, {description.bits_allocated} are allocated"
        )
    stated = (header.rows, header.columns, header.components)
    described = (description.rows, description.columns, description.samples_per_pixel)
    if stated != described:
        raise UndecodableFrame(
            "the compressed frame is {} x {} with {} samples a pixel".format(*stated)
            + ", the attributes say {} x {} with {}".format(*described)
        )


def _check_length(raw: bytes, expected_bytes: int) -> None:
    if len(raw) < expected_bytes:
        raise UndecodableFrame(f"the frame has {len(raw)} bytes of pixel data, {expected_bytes} are needed")
