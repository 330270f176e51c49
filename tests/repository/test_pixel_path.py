"""The whole way of pixels, from a file through its header and frame table to decoded, converted and rendered frames."""

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.pixels import pixel_array

from repository.decode import NATIVE_SYNTAXES, decode_frame
from repository.frame_conversion import convert_frame
from repository.frames import build_frame_table
from repository.header.errors import Part10Error
from repository.part10 import read_header
from repository.pixels import NotAnImage, PixelDescription, describe_pixels
from repository.render import render_frame
from repository.transcode import can_convert, convert_instance
from tests.support.pixel_files import list_packaged_files, read_range_of

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
# A frame of 27 bytes in 16-bit words: the last byte stands in the word's other half, behind the frame.
HALF_A_WORD = {"SC_rgb_small_odd_big_endian.dcm"}


def test_every_frame_of_the_packaged_files_is_what_pydicom_reads() -> None:
    compared = 0
    for path in list_packaged_files():
        file = path.read_bytes()
        header, expected = _read_header(file), _read_with_pydicom(file)
        table = build_frame_table(file, header) if header is not None and header.pixel is not None else None
        if table is None or expected is None or path.name in HALF_A_WORD:
            continue
        description = describe_pixels(header.attributes, header.transfer_syntax_uid)
        assert len(expected) == table.number_of_frames == description.number_of_frames
        bulk = {value.path: file[value.offset : value.offset + value.length] for value in header.bulk_values}
        for frame_index in range(table.number_of_frames):
            raw = b"".join(file[offset : offset + length] for offset, length in table.ranges_of(frame_index))
            bit_offset = table.bit_offset_of(frame_index)
            frame = decode_frame(raw, description, bit_offset=bit_offset)
            assert_same_pixels(frame, expected[frame_index], description, path.name)
            native = convert_frame(raw, description, bit_offset=bit_offset)
            if description.transfer_syntax_uid not in NATIVE_SYNTAXES:
                assert len(native) == description.frame_bytes, path.name
            picture = render_frame(
                frame, description, header.attributes, frame_index=frame_index, read_bulk=bulk.__getitem__
            )
            assert picture[:3] == b"\xff\xd8\xff", path.name
            compared += 1
    assert compared > 80


def test_every_packaged_file_converts_to_the_same_pixels() -> None:
    compared = 0
    for path in list_packaged_files():
        file = path.read_bytes()
        header, expected = _read_header(file), _read_with_pydicom(file)
        if header is None or expected is None or not can_convert(header.transfer_syntax_uid, EXPLICIT):
            continue
        description = describe_pixels(header.attributes, header.transfer_syntax_uid)
        table = build_frame_table(file, header)
        if table is None and header.transfer_syntax_uid not in NATIVE_SYNTAXES:
            continue
        parts = convert_instance(
            read_range_of(file), len(file), header.transfer_syntax_uid, description=description, frames=table
        )
        converted = b"".join(parts)
        assert _read_header(converted).transfer_syntax_uid == EXPLICIT
        decoded = _read_with_pydicom(converted)
        assert decoded is not None, path.name
        assert_same_pixels(decoded, expected, description, path.name)
        compared += 1
    assert compared > 40


def assert_same_pixels(
    ours: npt.NDArray[Any], expected: npt.NDArray[Any], description: PixelDescription, name: str
) -> None:
    assert ours.shape == expected.shape, name
    # Two implementations of the inverse colour transform round differently by one.
    tolerance = 1 if description.transfer_syntax_uid in JPEG_LOSSY else 0
    assert np.abs(ours.astype(np.int64) - expected.astype(np.int64)).max() <= tolerance, name


def _read_header(file: bytes) -> Any:
    try:
        return read_header(file)
    except Part10Error:
        return None


def _read_with_pydicom(file: bytes) -> npt.NDArray[Any] | None:
    """Return all frames as pydicom reads them with the decoders that are installed; None where it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(io.BytesIO(file), force=True)
            lossy = dataset.file_meta.TransferSyntaxUID in JPEG_LOSSY
            pixels: npt.NDArray[Any] = pixel_array(dataset, raw=not lossy)
        except (AttributeError, KeyError, ValueError, RuntimeError, NotImplementedError, EOFError):
            return None
    return pixels if int(dataset.get("NumberOfFrames") or 1) > 1 else pixels[None]


def test_a_report_has_no_pixels_to_describe() -> None:
    path = next(path for path in list_packaged_files() if path.name == "test-SR.dcm")
    header = read_header(path.read_bytes())
    with pytest.raises(NotAnImage, match="nothing to show as an image"):
        describe_pixels(header.attributes, header.transfer_syntax_uid)
