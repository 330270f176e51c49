"""Image instances for the tests of decoding, transcoding and rendering: found on disk or made on the spot."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_fragmented_frames
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from repository.decode import NATIVE_SYNTAXES
from repository.pixels import PixelDescription, describe_pixels

SHARED_FILES = Path(__file__).parents[3] / "shared/data/files"
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Ranges:
    """A frame table given as it is: the (offset, length) parts of every frame."""

    frames: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def number_of_frames(self) -> int:
        return len(self.frames)

    def ranges_of(self, frame_index: int) -> tuple[tuple[int, int], ...]:
        return self.frames[frame_index]


def list_packaged_files() -> list[Path]:
    """List the test files that came with pydicom: those on disk, never fetched."""
    root = Path(pydicom.__file__).parent / "data/test_files"
    return sorted(root.glob("*.dcm"))


def read_attributes(dataset: Dataset) -> dict[str, Any]:
    """Turn a data set into DICOM JSON with placeholders for long values."""
    attributes: dict[str, Any] = dataset.to_json_dict(
        bulk_data_threshold=1024, bulk_data_element_handler=lambda _: "bulk", suppress_invalid_tags=True
    )
    return attributes


def describe(dataset: Dataset) -> PixelDescription:
    """Describe the pixels of a data set that was read from a file."""
    return describe_pixels(read_attributes(dataset), str(dataset.file_meta.TransferSyntaxUID))


def read_frame(dataset: Dataset, description: PixelDescription, frame_index: int = 0) -> bytes:
    """Return the stored bytes of one frame, found by pydicom or by arithmetic."""
    pixels: bytes = next(dataset[keyword].value for keyword in PIXEL_KEYWORDS if keyword in dataset)
    if description.transfer_syntax_uid not in NATIVE_SYNTAXES:
        frames = generate_fragmented_frames(pixels, number_of_frames=description.number_of_frames)
        return b"".join(list(frames)[frame_index])
    length = description.frame_bytes
    if description.is_subsampled:
        length = length * 2 // 3
    return pixels[frame_index * length : (frame_index + 1) * length]


def find_frames(file: bytes, dataset: Dataset, number_of_frames: int) -> Ranges:
    """Find where the fragments of every frame lie in a file with encapsulated pixel data."""
    position, frames = file.rfind(b"\xe0\x7f\x10\x00OB", 0, len(file)), []
    for fragments in generate_fragmented_frames(dataset.PixelData, number_of_frames=number_of_frames):
        ranges = []
        for fragment in fragments:
            offset = file.index(fragment, position)
            ranges.append((offset, len(fragment)))
            position = offset + len(fragment)
        frames.append(tuple(ranges))
    return Ranges(tuple(frames))


def make_image(
    frames: npt.NDArray[Any] | list[Any],
    transfer_syntax_uid: str = "1.2.840.10008.1.2.1",
    **attributes: Any,
) -> FileDataset:
    """Make an image instance.

    Parameters
    ----------
    frames
        An array of (frames, rows, columns[, samples]) for native syntaxes, or the compressed frames; then Rows and so on come
        with `attributes`.
    attributes
        Anything by keyword; replaces what is derived from the array.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(transfer_syntax_uid)
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(prefix=None), generate_uid(prefix=None)
    if isinstance(frames, list):
        dataset.PixelData = encapsulate(frames)
        dataset["PixelData"].VR = "OB"
        dataset.NumberOfFrames = len(frames)
    else:
        _add_native(dataset, frames, big_endian=transfer_syntax_uid == "1.2.840.10008.1.2.2")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def write_file(dataset: FileDataset) -> bytes:
    """Write a data set as a PS3.10 file in the transfer syntax of its file meta information."""
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def read_range_of(file: bytes) -> Callable[[int, int], bytes]:
    """Return a ranged reader over the bytes of a file."""
    return lambda offset, length: file[offset : offset + length]


def make_phantom(rows: int, columns: int, dtype: str, low: int, high: int) -> npt.NDArray[Any]:
    """Make a smooth picture with some noise between two values, the same each time."""
    vertical, horizontal = np.mgrid[0:rows, 0:columns]
    waves = np.sin(vertical / 7) * np.cos(horizontal / 11) + np.random.default_rng(1).normal(
        0, 0.02, (rows, columns)
    )
    scaled = (waves - waves.min()) / (waves.max() - waves.min())
    phantom: npt.NDArray[Any] = np.rint(low + scaled * (high - low)).astype(dtype)
    return phantom


def iterate_elements(dataset: Dataset) -> Iterator[Dataset]:
    """Yield a data set and every item below it."""
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from iterate_elements(item)


def _add_native(dataset: Dataset, frames: npt.NDArray[Any], *, big_endian: bool) -> None:
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    dataset.SamplesPerPixel = frames.shape[3] if frames.ndim == 4 else 1
    dataset.PhotometricInterpretation = "RGB" if frames.ndim == 4 else "MONOCHROME2"
    if frames.ndim == 4:
        dataset.PlanarConfiguration = 0
    bits = frames.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(frames.dtype.kind == "i")
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    value = frames.astype(frames.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    dataset.PixelData = value + b"\0" * (len(value) % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
