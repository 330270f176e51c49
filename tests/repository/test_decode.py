"""Frames of every transfer syntax come out as the numbers that went in, or as another decoder reads them."""

import tracemalloc
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.pixels import pixel_array
from pydicom.pixels.encoders import RLELosslessEncoder

from repository.decode import (
    DECODABLE_SYNTAXES,
    UndecodableFrame,
    decode_frame,
    decoded_photometric_interpretation,
)
from repository.pixels import (
    FrameTooLarge,
    InvalidImageDescription,
    NotAnImage,
    PixelDescription,
    describe_pixels,
)
from tests.support.pixel_files import (
    PIXEL_KEYWORDS,
    SHARED_FILES,
    describe,
    list_packaged_files,
    make_image,
    make_phantom,
    read_attributes,
    read_frame,
)

JPEG = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

# Files of pydicom's own set whose pixels other decoders read differently, and why ours stay as they are.
READ_DIFFERENTLY = {
    # A frame of 27 bytes in 16-bit words: the last byte stands in the word's other half, behind the frame.
    "SC_rgb_small_odd_big_endian.dcm",
}


def make_description(frame: npt.NDArray[Any], syntax: str, **changes: Any) -> PixelDescription:
    bits = frame.dtype.itemsize * 8
    samples = frame.shape[2] if frame.ndim == 3 else 1
    description = PixelDescription(
        rows=frame.shape[0],
        columns=frame.shape[1],
        samples_per_pixel=samples,
        bits_allocated=bits,
        bits_stored=bits,
        high_bit=bits - 1,
        pixel_representation=int(frame.dtype.kind == "i"),
        photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
        planar_configuration=0,
        number_of_frames=1,
        transfer_syntax_uid=syntax,
    )
    return replace(description, **changes)


def make_colours() -> npt.NDArray[Any]:
    return np.stack(
        [make_phantom(48, 64, "u1", low, high) for low, high in ((0, 255), (40, 90), (10, 250))], axis=-1
    )


@pytest.mark.parametrize("path", list_packaged_files(), ids=lambda path: path.name)
def test_packaged_files_decode_as_pydicom_decodes_them(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        reference = _decode_with_pydicom(dataset)
    if reference is None or path.name in READ_DIFFERENTLY:
        # Nothing to compare with: what has no image must say so, all else is covered by the cases below.
        if not any(keyword in dataset for keyword in PIXEL_KEYWORDS):
            with pytest.raises(NotAnImage):
                describe_pixels(read_attributes(dataset), EXPLICIT)
        return
    description = describe(dataset)
    ours = decode_frame(read_frame(dataset, description), description)
    assert ours.shape == reference.shape
    lossy_colour = description.transfer_syntax_uid in (JPEG + "50", JPEG + "51") and ours.ndim == 3
    # Two implementations of the inverse colour transform round differently by one.
    tolerance = 1 if lossy_colour else 0
    assert int(np.abs(ours.astype(np.int64) - reference.astype(np.int64)).max()) <= tolerance


def _decode_with_pydicom(dataset: pydicom.Dataset) -> npt.NDArray[Any] | None:
    """Return the first frame as pydicom reads it with the decoders that are installed; None where it cannot."""
    try:
        lossy = dataset.file_meta.TransferSyntaxUID in (JPEG + "50", JPEG + "51")
        reference: npt.NDArray[Any] = pixel_array(dataset, index=0, raw=not lossy)
        return reference
    except (AttributeError, KeyError, ValueError, RuntimeError, NotImplementedError):
        return None


FOUR_SYNTAXES = sorted((SHARED_FILES / "series/ihe-xca").glob("*/*-tsevrle.dcm"))


@pytest.mark.skipif(not FOUR_SYNTAXES, reason="the shared sample data is not here")
def test_one_instance_in_four_transfer_syntaxes_is_one_picture() -> None:
    compared = 0
    for native in FOUR_SYNTAXES:
        dataset = pydicom.dcmread(native)
        description = describe(dataset)
        expected = decode_frame(read_frame(dataset, description), description)
        for ending in ("ts70", "ts80", "ts90"):
            other = native.with_name(native.name.replace("tsevrle", ending))
            compressed = pydicom.dcmread(other)
            other_description = describe(compressed)
            decoded = decode_frame(read_frame(compressed, other_description), other_description)
            assert decoded.dtype == expected.dtype
            assert np.array_equal(decoded, expected), other.name
            compared += 1
    assert compared == 3 * len(FOUR_SYNTAXES)


GREY_ENCODERS: dict[str, Any] = {
    JPEG + "57": lambda a: imagecodecs.jpeg8_encode(
        a, lossless=True, predictor=4, bitspersample=a.itemsize * 8
    ),
    JPEG + "70": lambda a: imagecodecs.jpeg8_encode(
        a, lossless=True, predictor=1, bitspersample=a.itemsize * 8
    ),
    JPEG + "80": imagecodecs.jpegls_encode,
    JPEG + "90": lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k", reversible=True),
    JPEG + "91": lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k", reversible=True),
    JPEG + "201": imagecodecs.htj2k_encode,
    JPEG + "202": imagecodecs.htj2k_encode,
    JPEG + "203": imagecodecs.htj2k_encode,
}


@pytest.mark.parametrize("syntax", sorted(GREY_ENCODERS))
@pytest.mark.parametrize(("dtype", "low", "high"), [("u1", 0, 255), ("u2", 0, 4095), ("u2", 0, 65535)])
def test_lossless_grey_frames_come_back_bit_for_bit(syntax: str, dtype: str, low: int, high: int) -> None:
    frame = make_phantom(45, 70, dtype, low, high)
    assert np.array_equal(decode_frame(GREY_ENCODERS[syntax](frame), make_description(frame, syntax)), frame)


@pytest.mark.parametrize("syntax", sorted(GREY_ENCODERS))
def test_signed_values_survive_codestreams_without_a_sign(syntax: str) -> None:
    frame = make_phantom(45, 70, "i2", -1024, 3071)
    decoded = decode_frame(GREY_ENCODERS[syntax](frame.view("u2")), make_description(frame, syntax))
    assert decoded.dtype == np.int16
    assert np.array_equal(decoded, frame)


def test_signed_values_of_fewer_bits_than_their_container_keep_their_sign() -> None:
    frame = make_phantom(45, 70, "i2", -2048, 2047)
    stored = (frame & 0x0FFF).astype("u2")
    for syntax in (JPEG + "70", JPEG + "80"):
        description = make_description(frame, syntax, bits_stored=12, high_bit=11)
        if syntax == JPEG + "80":
            raw: Any = imagecodecs.jpegls_encode(stored)
        else:
            raw = imagecodecs.jpeg8_encode(stored, lossless=True, predictor=1, bitspersample=12)
        assert np.array_equal(decode_frame(raw, description), frame), syntax


@pytest.mark.parametrize("syntax", [JPEG + "80", JPEG + "90", JPEG + "201"])
def test_lossless_colour_frames_come_back_bit_for_bit(syntax: str) -> None:
    frame = make_colours()
    assert np.array_equal(decode_frame(GREY_ENCODERS[syntax](frame), make_description(frame, syntax)), frame)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_lossless_jpeg_keeps_colours_as_they_are_labelled(predictor: int) -> None:
    frame = make_colours()
    raw: Any = imagecodecs.jpeg8_encode(
        frame, lossless=True, predictor=predictor, colorspace="RGB", outcolorspace="RGB"
    )
    for label in ("RGB", "YBR_FULL"):
        description = make_description(frame, JPEG + "57", photometric_interpretation=label)
        assert np.array_equal(decode_frame(raw, description), frame)
        assert decoded_photometric_interpretation(description) == label


@pytest.mark.parametrize(
    ("label", "stored", "expected"),
    [("YBR_FULL_422", "YCBCR", "RGB"), ("YBR_FULL", "YCBCR", "RGB"), ("RGB", "RGB", "RGB")],
)
def test_lossy_jpeg_becomes_rgb_whatever_it_is_stored_as(label: str, stored: str, expected: str) -> None:
    frame = make_colours()
    raw: Any = imagecodecs.jpeg8_encode(frame, 95, colorspace="RGB", outcolorspace=stored, subsampling="444")
    description = make_description(frame, JPEG + "50", photometric_interpretation=label)
    assert decoded_photometric_interpretation(description) == expected
    # Quality 95 of a picture with 2 % noise is off by a few grey levels, a wrong colour transform by a hundred.
    assert np.abs(decode_frame(raw, description).astype(int) - frame).mean() < 4


def test_subsampled_jpeg_labelled_rgb_is_still_ycbcr() -> None:
    frame = make_colours()
    raw: Any = imagecodecs.jpeg8_encode(frame, 95, colorspace="RGB", outcolorspace="YCBCR", subsampling="422")
    decoded = decode_frame(raw, make_description(frame, JPEG + "50"))
    assert np.abs(decoded.astype(int) - frame).mean() < 8


def test_extended_jpeg_of_12_bits_is_close() -> None:
    frame = make_phantom(64, 64, "u2", 0, 4095)
    raw: Any = imagecodecs.jpeg8_encode(frame, 98, bitspersample=12)
    decoded = decode_frame(raw, make_description(frame, JPEG + "51", bits_stored=12, high_bit=11))
    assert decoded.dtype == np.uint16
    assert np.abs(decoded.astype(int) - frame).mean() < 16


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_rle_frames_come_back_bit_for_bit(dtype: str) -> None:
    frame = make_phantom(33, 47, dtype, 0, 100)
    dataset = make_image(frame[None])
    dataset.compress(RLELosslessEncoder.UID, encoding_plugin="pydicom")
    description = describe(dataset)
    assert np.array_equal(decode_frame(read_frame(dataset, description), description), frame)


def test_rle_colours_are_by_pixel() -> None:
    dataset = make_image(make_colours()[None])
    dataset.compress(RLELosslessEncoder.UID, encoding_plugin="pydicom")
    description = describe(dataset)
    assert np.array_equal(decode_frame(read_frame(dataset, description), description), make_colours())


def test_rle_runs_are_expanded_no_further_than_the_frame() -> None:
    runs = b"\x81\x00" * 10_000_000
    raw = np.array([1, 64, *[0] * 14], "<u4").tobytes() + runs
    tracemalloc.start()
    with pytest.raises(UndecodableFrame, match="cannot be decoded"):
        decode_frame(raw, make_description(np.zeros((8, 8), "u1"), RLE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1024 * 1024


def test_native_planes_become_pixels() -> None:
    frame = make_colours()
    planes = np.ascontiguousarray(frame.transpose(2, 0, 1))
    description = make_description(frame, EXPLICIT, planar_configuration=1)
    assert np.array_equal(decode_frame(planes.tobytes(), description), frame)


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4"])
def test_big_endian_values_are_turned(dtype: str) -> None:
    frame = make_phantom(20, 30, dtype, 0, 30000)
    raw = frame.astype(frame.dtype.newbyteorder(">")).tobytes()
    assert np.array_equal(decode_frame(raw, make_description(frame, BIG_ENDIAN)), frame)


def test_big_endian_bytes_in_words_are_turned_and_those_in_bytes_are_not() -> None:
    frame = make_phantom(20, 30, "u1", 0, 255)
    words = frame.reshape(-1).view("u2").byteswap().tobytes()
    in_words = make_description(frame, BIG_ENDIAN, pixel_vr="OW")
    in_bytes = make_description(frame, BIG_ENDIAN, pixel_vr="OB")
    assert np.array_equal(decode_frame(words, in_words), frame)
    assert np.array_equal(decode_frame(frame.tobytes(), in_bytes), frame)


def test_bits_outside_those_stored_are_removed() -> None:
    frame = make_phantom(20, 30, "i2", -2048, 2047)
    noisy = (frame.astype("u2") & 0x0FFF) | 0x7000
    description = make_description(frame, EXPLICIT, bits_stored=12, high_bit=11)
    assert np.array_equal(decode_frame(noisy.astype("<u2").tobytes(), description), frame)
    upper = make_description(frame.view("u2"), EXPLICIT, bits_stored=12, high_bit=15)
    shifted = ((frame.astype("u2") & 0x0FFF) << 4 | 0x000F).astype("<u2")
    assert np.array_equal(decode_frame(shifted.tobytes(), upper), frame.view("u2") & 0x0FFF)


def test_single_bits_are_unpacked_from_wherever_the_frame_begins() -> None:
    bits = (make_phantom(5, 7, "u1", 0, 255) > 128).astype("u1")
    description = make_description(bits, EXPLICIT, bits_allocated=1, bits_stored=1, high_bit=0)
    for offset in range(8):
        packed = np.packbits(
            np.concatenate((np.ones(offset, "u1"), bits.ravel())), bitorder="little"
        ).tobytes()
        assert np.array_equal(decode_frame(packed, description, bit_offset=offset), bits)


def test_native_subsampled_chroma_is_spread_over_both_pixels() -> None:
    raw = bytes([10, 20, 100, 200, 30, 40, 101, 201])
    description = make_description(
        np.zeros((1, 4, 3), "u1"), EXPLICIT, photometric_interpretation="YBR_FULL_422"
    )
    expected = [[[10, 100, 200], [20, 100, 200], [30, 101, 201], [40, 101, 201]]]
    assert decode_frame(raw, description).tolist() == expected
    assert decoded_photometric_interpretation(description) == "YBR_FULL"


def test_deflated_frames_are_inflated_no_further_than_the_frame() -> None:
    frame = make_phantom(20, 30, "u2", 0, 4095)
    deflater = zlib.compressobj(wbits=-15)
    raw = deflater.compress(frame.tobytes() + b"\0" * 50_000_000) + deflater.flush()
    assert np.array_equal(decode_frame(raw, make_description(frame, "1.2.840.10008.1.2.8.1")), frame)


def test_float_pixel_data_is_read() -> None:
    frame = make_phantom(6, 5, "f4", -3, 3)
    dataset = make_image(np.zeros((1, 6, 5), "u2"))
    del dataset.PixelData
    del dataset.BitsStored
    del dataset.HighBit
    dataset.FloatPixelData = frame.tobytes()
    dataset.BitsAllocated = 32
    description = describe(dataset)
    assert np.array_equal(decode_frame(frame.tobytes(), description), frame)


@pytest.mark.parametrize("syntax", sorted(DECODABLE_SYNTAXES))
@pytest.mark.parametrize("raw", [b"", b"\0" * 64, b"\xff\xd8\xff\xd9", bytes(range(256))])
def test_garbage_is_refused_with_a_reason(syntax: str, raw: bytes) -> None:
    description = make_description(np.zeros((64, 64), "u2"), syntax)
    with pytest.raises(UndecodableFrame, match=r"\w+ \w+"):
        decode_frame(raw, description)


@pytest.mark.parametrize("syntax", sorted(GREY_ENCODERS))
def test_another_picture_than_described_is_refused_before_it_is_decoded(syntax: str) -> None:
    raw = GREY_ENCODERS[syntax](make_phantom(40, 40, "u2", 0, 4095))
    with pytest.raises(UndecodableFrame, match=r"40 x 40 .* attributes say 41 x 40"):
        decode_frame(raw, make_description(np.zeros((41, 40), "u2"), syntax))


def test_unknown_transfer_syntax_and_short_data_are_named() -> None:
    description = make_description(np.zeros((4, 4), "u2"), "1.2.840.10008.1.2.4.100")
    with pytest.raises(UndecodableFrame, match=r"1\.2\.840\.10008\.1\.2\.4\.100"):
        decode_frame(b"\0" * 32, description)
    with pytest.raises(UndecodableFrame, match=r"31 bytes .* 32 are needed"):
        decode_frame(b"\0" * 31, replace(description, transfer_syntax_uid=EXPLICIT))


def test_a_frame_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    description = replace(make_description(np.zeros((4, 4), "u2"), EXPLICIT), rows=20_000, columns=20_000)
    with pytest.raises(FrameTooLarge, match="20000 x 20000"):
        decode_frame(b"", description)


@pytest.mark.parametrize(
    ("keyword", "value", "complaint"),
    [
        ("Rows", 0, "Rows is 0"),
        ("BitsStored", 17, "BitsStored is 17"),
        ("HighBit", 16, "HighBit is 16"),
        ("BitsAllocated", 12, "BitsAllocated is 12"),
        ("SamplesPerPixel", 4, "SamplesPerPixel is 4"),
    ],
)
def test_impossible_descriptions_are_named(keyword: str, value: int, complaint: str) -> None:
    dataset = make_image(np.zeros((1, 4, 4), "u2"))
    setattr(dataset, keyword, value)
    with pytest.raises(InvalidImageDescription, match=complaint):
        describe(dataset)


def test_missing_rows_are_named() -> None:
    dataset = make_image(np.zeros((1, 4, 4), "u2"))
    del dataset.Rows
    with pytest.raises(InvalidImageDescription, match=r"Rows \(0028,0010\) is missing"):
        describe(dataset)
