"""Frames are compressed without loss, in codestreams that others read."""

import io
import math
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.pixels import pixel_array

from repository.decode import decode_frame
from repository.encode import (
    JPEG_BASELINE,
    LOSSLESS_TARGETS,
    LOSSY_TARGETS,
    UnencodableImage,
    encode_frame,
    encoded_photometric_interpretation,
    say_why_not_encodable,
)
from repository.pixels import PixelDescription
from tests.support.pixel_files import make_image, make_phantom, write_file

EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4."
HTJ2K_RPCL = JPEG + "202"
FOREIGN_DECODERS = {JPEG + "57": "dcmdjpeg", JPEG + "70": "dcmdjpeg", JPEG + "80": "dcmdjpls", RLE: "dcmdrle"}


def describe_image(
    rows: int = 33,
    columns: int = 35,
    samples: int = 1,
    bits: int = 12,
    signed: int = 0,
    colours: str = "MONOCHROME2",
) -> PixelDescription:
    allocated = 8 if bits <= 8 else 16
    return PixelDescription(
        rows, columns, samples, allocated, bits, bits - 1, signed, colours, 0, 1, EXPLICIT
    )


def make_noise(description: PixelDescription, seed: int = 0) -> npt.NDArray[Any]:
    """Make a frame that uses every bit, its first and last pixel at the ends of the range."""
    bits = description.bits_stored
    low, high = (
        (-(1 << bits - 1), (1 << bits - 1) - 1) if description.pixel_representation else (0, (1 << bits) - 1)
    )
    generator = np.random.default_rng(seed)
    frame = generator.integers(low, high, description.shape, description.dtype, endpoint=True)
    frame.flat[0], frame.flat[-1] = low, high
    return frame


def encode_and_decode(
    frame: npt.NDArray[Any], description: PixelDescription, target: str
) -> npt.NDArray[Any]:
    colours = description.photometric_interpretation
    raw = encode_frame(frame, description, colours, target)
    encoded = replace(
        description,
        transfer_syntax_uid=target,
        photometric_interpretation=encoded_photometric_interpretation(colours, target),
    )
    return decode_frame(raw, encoded)


@pytest.mark.parametrize("target", LOSSLESS_TARGETS)
@pytest.mark.parametrize("bits", [1, 2, 7, 8, 9, 12, 15, 16])
def test_no_bit_is_lost(target: str, bits: int) -> None:
    for signed in (0, 1):
        for samples, colours in ((1, "MONOCHROME2"), (3, "RGB"), (3, "YBR_FULL")):
            description = describe_image(samples=samples, bits=bits, signed=signed, colours=colours)
            frame = make_noise(description)
            assert np.array_equal(encode_and_decode(frame, description, target), frame)


@pytest.mark.parametrize("target", LOSSLESS_TARGETS)
@pytest.mark.parametrize("bits", [1, 5, 8])
def test_few_bits_in_wide_cells_are_kept(target: str, bits: int) -> None:
    for signed in (0, 1):
        description = replace(describe_image(bits=bits, signed=signed), bits_allocated=16)
        frame = make_noise(description)
        assert np.array_equal(encode_and_decode(frame, description, target), frame)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_images_of_every_shape_come_back(data: st.DataObject) -> None:
    samples = data.draw(st.sampled_from([1, 3]))
    description = describe_image(
        rows=data.draw(st.integers(1, 70)),
        columns=data.draw(st.integers(1, 70)),
        samples=samples,
        bits=data.draw(st.integers(1, 16)),
        signed=data.draw(st.integers(0, 1)),
        colours="RGB" if samples == 3 else "MONOCHROME1",
    )
    frame = make_noise(description, data.draw(st.integers(0, 99)))
    target = data.draw(st.sampled_from(LOSSLESS_TARGETS))
    assert np.array_equal(encode_and_decode(frame, description, target), frame)


def make_compressed_file(frame: npt.NDArray[Any], description: PixelDescription, target: str) -> bytes:
    colours = description.photometric_interpretation
    dataset = make_image(
        [encode_frame(frame, description, colours, target)],
        target,
        Rows=description.rows,
        Columns=description.columns,
        SamplesPerPixel=description.samples_per_pixel,
        PhotometricInterpretation=encoded_photometric_interpretation(colours, target),
        BitsAllocated=description.bits_allocated,
        BitsStored=description.bits_stored,
        HighBit=description.high_bit,
        PixelRepresentation=description.pixel_representation,
    )
    if description.samples_per_pixel == 3:
        dataset.PlanarConfiguration = 0
    return write_file(dataset)


FOREIGN_IMAGES = [
    describe_image(bits=8, signed=0),
    describe_image(bits=12, signed=0),
    describe_image(bits=12, signed=1),
    describe_image(bits=16, signed=1),
    describe_image(samples=3, bits=8, colours="RGB"),
]


@pytest.mark.parametrize("target", sorted(FOREIGN_DECODERS))
def test_dcmtk_reads_the_same_pixels(target: str, tmp_path: Path) -> None:
    tool = shutil.which(FOREIGN_DECODERS[target])
    assert tool, "DCMTK is part of the test environment (scripts/install_system_packages.sh)"
    for description in FOREIGN_IMAGES:
        frame = make_noise(description)
        compressed, native = tmp_path / "compressed.dcm", tmp_path / "native.dcm"
        compressed.write_bytes(make_compressed_file(frame, description, target))
        subprocess.run([tool, compressed, native], check=True, capture_output=True, timeout=60)
        dataset = pydicom.dcmread(native)
        planar = dataset.get("PlanarConfiguration", 0)
        dtype = description.dtype.newbyteorder("<")
        pixels = np.frombuffer(dataset.PixelData, dtype, frame.size)
        pixels = (
            pixels.reshape(3, *frame.shape[:2]).transpose(1, 2, 0) if planar else pixels.reshape(frame.shape)
        )
        assert np.array_equal(pixels, frame), description


@pytest.mark.parametrize("description", FOREIGN_IMAGES)
def test_pydicom_reads_run_lengths(description: PixelDescription) -> None:
    frame = make_noise(description)
    dataset = pydicom.dcmread(io.BytesIO(make_compressed_file(frame, description, RLE)))
    assert np.array_equal(pixel_array(dataset, raw=True), frame)


@pytest.mark.parametrize("samples", [1, 3])
def test_pillow_reads_jpeg_2000_and_baseline(samples: int) -> None:
    colours = "RGB" if samples == 3 else "MONOCHROME2"
    description = describe_image(samples=samples, bits=8, colours=colours)
    planes = [make_phantom(33, 35, "u1", 0, top) for top in (255, 90, 200)][:samples]
    frame = np.stack(planes, axis=-1) if samples == 3 else planes[0]
    exact = Image.open(io.BytesIO(encode_frame(frame, description, colours, JPEG + "90")))
    assert np.array_equal(np.asarray(exact), frame)
    near = Image.open(io.BytesIO(encode_frame(frame, description, colours, JPEG_BASELINE)))
    assert near.format == "JPEG"
    assert np.abs(np.asarray(near).astype(int) - frame).mean() < 6


def test_run_lengths_never_cross_a_row() -> None:
    frame = np.zeros((3, 10), np.uint8)
    raw = encode_frame(frame, describe_image(rows=3, columns=10, bits=8), "MONOCHROME2", RLE)
    assert struct.unpack_from("<3I", raw) == (1, 64, 0)
    assert raw[64:] == bytes([257 - 10, 0]) * 3


def test_progressive_codestreams_have_a_thumbnail_and_the_lengths_to_it() -> None:
    """Standard: PS3.5 10.18"""
    for side in (20, 512, 5000):
        description = describe_image(rows=4, columns=side)
        raw = encode_frame(make_noise(description), description, "MONOCHROME2", HTJ2K_RPCL)
        main_header = raw[: raw.index(b"\xff\x90")]
        coding_style = main_header.index(b"\xff\x52")
        progression, steps = main_header[coding_style + 5], main_header[coding_style + 9]
        assert progression == 2  # RPCL
        assert math.ceil(side / 2**steps) <= 64
        assert b"\xff\x55" in main_header


def test_jpeg_ls_begins_with_its_frame_header() -> None:
    description = describe_image()
    raw = encode_frame(make_noise(description), description, "MONOCHROME2", JPEG + "80")
    assert raw[:4] == b"\xff\xd8\xff\xf7"


@pytest.mark.parametrize(
    ("changes", "target", "reason"),
    [
        ({"bits_allocated": 1, "bits_stored": 1, "high_bit": 0}, JPEG + "90", "1 bits allocated"),
        ({"bits_allocated": 32, "bits_stored": 32}, RLE, "32 bits allocated"),
        ({"is_float": True, "bits_allocated": 32}, JPEG + "201", "floating point"),
        ({"bits_stored": 12}, JPEG + "50", "8 to 8 bits a sample, not 12"),
        ({"bits_stored": 8}, JPEG + "50", "cells of 8 bits, not 16"),
        ({"bits_stored": 8}, JPEG + "51", "9 to 12 bits a sample, not 8"),
        ({"pixel_representation": 1, "bits_allocated": 8, "bits_stored": 8}, JPEG + "50", "no signed pixels"),
        ({"photometric_interpretation": "YBR_PARTIAL_420"}, JPEG + "80", "no pixels in YBR_PARTIAL_420"),
        ({}, JPEG + "91", "no frames are encoded in transfer syntax"),
    ],
)
def test_why_an_image_cannot_be_encoded_is_said(changes: dict[str, Any], target: str, reason: str) -> None:
    description = replace(describe_image(), **changes)
    colours = description.photometric_interpretation
    assert reason in say_why_not_encodable(description, colours, target)
    with pytest.raises(UnencodableImage, match=reason):
        encode_frame(np.zeros((33, 35), np.uint16), description, colours, target)


def test_twelve_bits_are_lossy_within_reason() -> None:
    description = describe_image()
    frame = make_phantom(33, 35, "u2", 0, 4095)
    raw = encode_frame(frame, description, "MONOCHROME2", JPEG + "51")
    decoded = decode_frame(raw, replace(description, transfer_syntax_uid=JPEG + "51"))
    assert 0 < np.abs(decoded.astype(int) - frame).mean() < 40


def test_lossy_and_lossless_targets_are_told_apart() -> None:
    assert set(LOSSY_TARGETS) == {JPEG + "50", JPEG + "51"}
    assert not set(LOSSY_TARGETS) & set(LOSSLESS_TARGETS)
