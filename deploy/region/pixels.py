"""Pixels into a data set, in the transfer syntax that a hospital's system uses."""

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, JPEGLSLossless

from deploy.region.datasets import make_procedure_code
from deploy.region.facts import Study

_COMPRESSED = (str(JPEGLosslessSV1), str(JPEGLSLossless))


def add_image_description(dataset: Dataset, study: Study, bits_stored: int) -> None:
    """Add what every image says about its making: acquisition, request, procedure step."""
    dataset.BodyPartExamined = study.procedure.body_part
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits_stored, bits_stored - 1, 0
    dataset.AcquisitionDate, dataset.AcquisitionTime = dataset.SeriesDate, dataset.SeriesTime
    dataset.AcquisitionNumber = 1
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    request = Dataset()
    request.RequestedProcedureID = study.accession_number
    request.RequestedProcedureDescription = study.procedure.description
    request.AccessionNumber = study.accession_number
    request.RequestedProcedureCodeSequence = [make_procedure_code(study)]
    dataset.RequestAttributesSequence = [request]
    dataset.PerformedProcedureStepStartDate = dataset.StudyDate
    dataset.PerformedProcedureStepStartTime = dataset.StudyTime
    dataset.PerformedProcedureStepID = study.accession_number
    dataset.PerformedProcedureStepDescription = study.procedure.description


def set_grey_pixels(dataset: Dataset, pixels: NDArray[np.uint16], transfer_syntax_uid: str) -> None:
    """Set a picture (rows, columns) of 16 bits allocated, compressed if the transfer syntax asks for it."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 16
    is_compressed = transfer_syntax_uid in _COMPRESSED
    if is_compressed:
        dataset.PixelData = encapsulate([_compress(pixels, transfer_syntax_uid, dataset.BitsStored)])
    else:
        dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OB" if is_compressed else "OW"
    dataset["PixelData"].is_undefined_length = is_compressed


def set_colour_frames(dataset: Dataset, frames: NDArray[np.uint8]) -> None:
    """Set an RGB clip (frames, rows, columns, 3), never compressed."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape[:3]
    dataset.BitsAllocated = 8
    pixel_bytes = frames.tobytes()
    dataset.PixelData = pixel_bytes + b"\0" * (len(pixel_bytes) % 2)
    dataset["PixelData"].VR = "OB"


def choose_colour_syntax(transfer_syntax_uid: str) -> str:
    """Choose the transfer syntax of a colour clip: the hospital's, unless that is a compressed one."""
    return str(ExplicitVRLittleEndian) if transfer_syntax_uid in _COMPRESSED else transfer_syntax_uid


def _compress(pixels: NDArray[np.uint16], transfer_syntax_uid: str, bits_stored: int) -> bytes:
    if transfer_syntax_uid == JPEGLSLossless:
        return bytes(imagecodecs.jpegls_encode(pixels))
    return bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=bits_stored))
