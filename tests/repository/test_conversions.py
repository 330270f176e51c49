"""Every transfer syntax that is read, into every one that is written: frames and whole instances."""

import io
import zlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import FileDataset

from repository.decode import (
    DECODABLE_SYNTAXES,
    NATIVE_SYNTAXES,
    decode_frame,
    decoded_photometric_interpretation,
)
from repository.encode import encode_frame, encoded_photometric_interpretation
from repository.file_meta import encode_file_meta, read_file_meta
from repository.frame_conversion import FRAME_TARGETS, UnsupportedConversion, convert_frame
from repository.frames import FrameTable, build_frame_table
from repository.header.model import Header
from repository.part10 import read_header
from repository.pixels import PixelDescription, describe_pixels
from repository.rewritten import convert_stored_instance
from repository.transcode import INSTANCE_TARGETS, NativeTooLarge, convert_instance
from tests.support.pixel_files import make_image, make_phantom, read_range_of, write_file

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
ENCAPSULATED, DEFLATED, DEFLATED_FRAMES = EXPLICIT + ".98", EXPLICIT + ".99", "1.2.840.10008.1.2.8.1"
RLE, JPEG = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4."
NATIVE = sorted(NATIVE_SYNTAXES)
LOSSLESS = [target for target in INSTANCE_TARGETS if target not in NATIVE_SYNTAXES]
ROWS, COLUMNS, FRAMES = 21, 35, 3


@dataclass(frozen=True)
class Stored:
    """A file and what was found in it, as the store would have."""

    file: bytes
    header: Header
    table: FrameTable | None
    description: PixelDescription


def deflate(raw: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    deflated = deflater.compress(raw) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)


def make_frames(bits: int, samples: int, signed: int) -> npt.NDArray[Any]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    dtype = f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}"
    planes = [
        make_phantom(ROWS, COLUMNS, dtype, low, high // divisor) for divisor in range(1, FRAMES + samples)
    ]
    if samples == 1:
        return np.stack(planes[:FRAMES])
    return np.stack([np.stack(planes[index : index + 3], axis=-1) for index in range(FRAMES)])


FOREIGN_ENCODERS: dict[str, Any] = {
    JPEG + "50": lambda frame, bits: imagecodecs.jpeg8_encode(frame, 95),
    JPEG + "51": lambda frame, bits: imagecodecs.jpeg8_encode(frame, 95, bitspersample=12),
    JPEG + "53": lambda frame, bits: imagecodecs.jpeg8_encode(frame, 95),
    JPEG + "55": lambda frame, bits: imagecodecs.jpeg8_encode(frame, 95),
    JPEG + "81": lambda frame, bits: imagecodecs.jpegls_encode(frame, 2),
    JPEG + "91": lambda frame, bits: imagecodecs.jpeg2k_encode(
        frame, level=60, codecformat="j2k", bitspersample=bits
    ),
    JPEG + "203": lambda frame, bits: imagecodecs.htj2k_encode(frame, level=0.01, reversible=False),
    ENCAPSULATED: lambda frame, bits: frame.astype(frame.dtype.newbyteorder("<")).tobytes(),
    DEFLATED_FRAMES: lambda frame, bits: deflate(frame.astype(frame.dtype.newbyteorder("<")).tobytes()),
}


def make_dataset(frames: npt.NDArray[Any], syntax: str, bits: int) -> FileDataset:
    """Make an instance; compressed in syntaxes that pydicom cannot name, it is written as another."""
    native = make_image(
        frames, syntax if syntax in NATIVE_SYNTAXES else EXPLICIT, BitsStored=bits, HighBit=bits - 1
    )
    if syntax in NATIVE_SYNTAXES:
        return native
    attributes = describe_pixels(native.to_json_dict(), EXPLICIT)
    colours = attributes.photometric_interpretation
    if syntax in FOREIGN_ENCODERS:
        encoded = [bytes(FOREIGN_ENCODERS[syntax](frame, bits)) for frame in frames]
    else:
        encoded = [encode_frame(frame, attributes, colours, syntax) for frame in frames]
        colours = encoded_photometric_interpretation(colours, syntax)
    same = {element.keyword: element.value for element in native if element.tag.group == 0x0028}
    return make_image(encoded, JPEG + "90", **same | {"PhotometricInterpretation": colours})


@cache
def store(syntax: str, bits: int, samples: int = 1, signed: int = 0) -> Stored:
    dataset = make_dataset(make_frames(bits, samples, signed), syntax, bits)
    dataset.PatientName, dataset.DataSetTrailingPadding = "Å^Ä", b"\0" * 10
    dataset.SpecificCharacterSet = "ISO_IR 192"
    file = write_file(dataset)
    if dataset.file_meta.TransferSyntaxUID != syntax:
        meta = read_file_meta(read_range_of(file))
        file = encode_file_meta(meta, syntax) + file[meta.data_set_offset :]
    return read_stored(file)


def read_stored(file: bytes) -> Stored:
    header = read_header(file)
    syntax = header.transfer_syntax_uid
    return Stored(file, header, build_frame_table(file, header), describe_pixels(header.attributes, syntax))


def convert(stored: Stored, target: str) -> bytes:
    parts = convert_stored_instance(
        read_range_of(stored.file),
        len(stored.file),
        stored.header.transfer_syntax_uid,
        description=stored.description,
        frames=stored.table,
        target=target,
    )
    return b"".join(parts)


def read_frames(stored: Stored) -> list[bytes]:
    assert stored.table is not None
    return [
        b"".join(stored.file[offset : offset + length] for offset, length in stored.table.ranges_of(index))
        for index in range(stored.table.number_of_frames)
    ]


def decode_all(stored: Stored) -> npt.NDArray[Any]:
    """Decode all frames; those of a deflated data set by way of pydicom."""
    if stored.table is None:
        pixels: npt.NDArray[Any] = pydicom.dcmread(io.BytesIO(stored.file)).pixel_array
        return pixels.reshape(stored.description.number_of_frames, *stored.description.shape)
    return np.stack([decode_frame(raw, stored.description) for raw in read_frames(stored)])


def choose_bits(syntax: str) -> int:
    return {JPEG + "50": 8, JPEG + "53": 8, JPEG + "55": 8}.get(syntax, 12)


def test_every_source_is_in_the_table() -> None:
    made = {*NATIVE, *LOSSLESS, *FOREIGN_ENCODERS}
    assert made == DECODABLE_SYNTAXES


@pytest.mark.parametrize("target", INSTANCE_TARGETS)
@pytest.mark.parametrize("source", sorted(DECODABLE_SYNTAXES))
def test_instances_keep_their_pixels_and_their_data_set(source: str, target: str) -> None:
    stored = store(source, choose_bits(source))
    converted = read_stored(convert(stored, target))
    assert converted.header.transfer_syntax_uid == target
    assert np.array_equal(decode_all(converted), decode_all(stored))
    before, after = (pydicom.dcmread(io.BytesIO(each.file)) for each in (stored, converted))
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID == before.SOPInstanceUID
    for dataset in (before, after):
        del dataset.PixelData
    assert before == after


@pytest.mark.parametrize("target", FRAME_TARGETS)
@pytest.mark.parametrize("source", sorted(DECODABLE_SYNTAXES - {DEFLATED}))
def test_frames_keep_their_pixels(source: str, target: str) -> None:
    bits = 8 if target == JPEG + "50" else choose_bits(source)
    if bits == 8 and target == JPEG + "51":
        bits = 12
    if (bits != 8 and source in (JPEG + "50", JPEG + "53", JPEG + "55")) or (
        bits == 8 and source == JPEG + "51"
    ):
        return  # eight bits and twelve never meet in lossy JPEG
    stored = store(source, bits)
    for raw in read_frames(stored)[1:2]:
        before = decode_frame(raw, stored.description)
        encoded = convert_frame(raw, stored.description, target)
        description = describe_target(stored.description, target)
        after = decode_frame(encoded, description)
        if target in (JPEG + "50", JPEG + "51") and source != target:
            assert np.abs(after.astype(int) - before).mean() < (1 << bits) / 50
        else:
            assert np.array_equal(after, before)


def describe_target(description: PixelDescription, target: str) -> PixelDescription:
    colours = decoded_photometric_interpretation(description)
    if target not in NATIVE_SYNTAXES:
        colours = encoded_photometric_interpretation(colours, target)
    return replace(
        description, transfer_syntax_uid=target, photometric_interpretation=colours, planar_configuration=0
    )


@pytest.mark.parametrize("target", INSTANCE_TARGETS)
@pytest.mark.parametrize("source", [EXPLICIT, BIG_ENDIAN, RLE, JPEG + "80", JPEG + "201"])
def test_signed_pixels_keep_their_sign(source: str, target: str) -> None:
    stored = store(source, 11, signed=1)
    converted = read_stored(convert(stored, target))
    pixels = decode_all(converted)
    assert pixels.min() == -1024
    assert np.array_equal(pixels, decode_all(stored))


@pytest.mark.parametrize("target", INSTANCE_TARGETS)
@pytest.mark.parametrize("source", [EXPLICIT, IMPLICIT, RLE, JPEG + "70", JPEG + "90", JPEG + "202"])
def test_colours_are_named_as_they_are(source: str, target: str) -> None:
    """Standard: PS3.5 8.2.4, 8.2.14"""
    stored = store(source, 8, samples=3)
    converted = read_stored(convert(stored, target))
    assert np.array_equal(decode_all(converted), decode_all(stored))
    wavelets = (JPEG + "90", JPEG + "201", JPEG + "202")
    expected = "YBR_RCT" if target in wavelets else "RGB"
    assert converted.description.photometric_interpretation == expected
    assert converted.description.planar_configuration == 0


def test_colour_by_plane_becomes_colour_by_pixel_in_codestreams() -> None:
    frames = make_frames(8, 3, 0)
    dataset = make_image(frames, PlanarConfiguration=1)
    dataset.PixelData = frames.transpose(0, 3, 1, 2).tobytes() + b"\0" * (frames.size % 2)
    stored = read_stored(write_file(dataset))
    converted = read_stored(convert(stored, RLE))
    assert converted.description.planar_configuration == 0
    assert np.array_equal(decode_all(converted), frames)


def test_lossy_frames_in_a_lossless_syntax_stay_marked_as_lossy() -> None:
    frame = np.stack([make_phantom(16, 16, "u1", 0, top) for top in (255, 90, 200)], axis=-1)
    raw = imagecodecs.jpeg8_encode(frame, 90, colorspace="RGB", outcolorspace="YCBCR")
    dataset = make_image(
        [raw],
        JPEG + "50",
        Rows=16,
        Columns=16,
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        PhotometricInterpretation="YBR_FULL_422",
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        LossyImageCompression="01",
        LossyImageCompressionMethod="ISO_10918_1",
    )
    stored = read_stored(write_file(dataset))
    converted = pydicom.dcmread(io.BytesIO(convert(stored, JPEG + "80")))
    assert (converted.LossyImageCompression, converted.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert converted.PhotometricInterpretation == "RGB"


def test_stored_bits_that_lie_high_lie_low_in_codestreams() -> None:
    frames = make_frames(12, 1, 0)
    stored = read_stored(write_file(make_image(frames << 4, BitsStored=12, HighBit=15)))
    converted = read_stored(convert(stored, JPEG + "80"))
    assert (converted.description.bits_stored, converted.description.high_bit) == (12, 11)
    assert np.array_equal(decode_all(converted), frames)


def test_a_missing_planar_configuration_is_added() -> None:
    dataset = make_image(make_frames(8, 3, 0))
    del dataset.PlanarConfiguration
    stored = read_stored(write_file(dataset))
    converted = pydicom.dcmread(io.BytesIO(convert(stored, RLE)))
    assert converted.PlanarConfiguration == 0
    assert [element.tag for element in converted] == sorted(element.tag for element in converted)


@pytest.mark.parametrize("target", LOSSLESS)
def test_a_lossy_instance_is_never_made(target: str) -> None:
    stored = store(EXPLICIT, 8)
    for lossy in (JPEG + "50", JPEG + "51", JPEG + "81", JPEG + "91", JPEG + "203"):
        with pytest.raises(UnsupportedConversion, match="cannot be converted"):
            convert(stored, lossy)
    assert convert(stored, target)


def test_what_a_codestream_cannot_hold_is_refused_before_the_first_block() -> None:
    stored = read_stored(write_file(make_image(np.zeros((1, 8, 8), "u4"))))
    with pytest.raises(UnsupportedConversion, match="32 bits allocated"):
        convert(stored, JPEG + "201")


class Endless:
    """So many frames, all of them the first one."""

    number_of_frames = 2**23

    def __init__(self, table: FrameTable) -> None:
        self.table = table

    def ranges_of(self, frame_index: int) -> tuple[tuple[int, int], ...]:
        return self.table.ranges_of(0)


def convert_endless(target: str) -> Any:
    stored = store(JPEG + "80", 12)
    assert stored.table is not None
    return convert_instance(
        read_range_of(stored.file),
        len(stored.file),
        JPEG + "80",
        description=stored.description,
        frames=Endless(stored.table),
        target=target,
    )


def test_decoded_frames_that_fit_no_element_are_refused() -> None:
    with pytest.raises(NativeTooLarge, match="too many for one element"):
        next(convert_endless(EXPLICIT))


def test_what_fits_no_native_element_still_fits_fragments() -> None:
    assert next(convert_endless(RLE))[128:132] == b"DICM"


def test_clipped_not_cut_off() -> None:
    """Lossy compression may push a white over the end of the stored bits; it must not come out black."""
    frame = np.where(np.indices((32, 32)).sum(axis=0) % 7 < 3, 0, 4095).astype("u2")
    raw = bytes(imagecodecs.jpeg2k_encode(frame, level=30, codecformat="j2k", bitspersample=16))
    description = replace(
        store(EXPLICIT, 12).description, rows=32, columns=32, transfer_syntax_uid=JPEG + "91"
    )
    beyond = imagecodecs.jpeg2k_decode(raw)
    assert beyond.max() > 4095
    assert np.array_equal(decode_frame(raw, description), np.clip(beyond, 0, 4095))
