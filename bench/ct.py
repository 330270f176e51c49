"""CT images for measuring: 512x512x16 with the attributes that a scanner sends, cheap to make by the hundred."""

import io
from functools import cache

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

PIXELS = 512


def make_series(count: int, study: int) -> list[bytes]:
    """Make the files of one new study with one series; `study` tells patients apart."""
    study_uid, series_uid = generate_uid(), generate_uid()
    return [_make_file(study_uid, series_uid, number, study) for number in range(1, count + 1)]


@cache
def _pixels() -> bytes:
    noise = np.random.default_rng(1).normal(0, 20, (PIXELS, PIXELS))
    rows, columns = np.mgrid[-1 : 1 : PIXELS * 1j, -1 : 1 : PIXELS * 1j]
    body = np.where(rows**2 + columns**2 < 0.6, 40, -1000)
    return (body + noise).astype("<i2").tobytes()


def _make_file(study_uid: str, series_uid: str, number: int, study: int) -> bytes:
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = study_uid, series_uid
    image.PatientName, image.PatientID = f"Bench^Patient{study}", f"B{study:07d}"
    image.PatientBirthDate, image.PatientSex, image.AccessionNumber = "19500101", "F", f"A{study}"
    image.StudyDate, image.StudyTime, image.StudyID = f"2025{study % 12 + 1:02d}15", "101500", str(study)
    image.StudyDescription, image.SeriesDescription = "CT thorax", "Thorax 1.0 Br40"
    image.Modality, image.Manufacturer, image.StationName = "CT", "Bench", "CT1"
    image.SeriesNumber, image.InstanceNumber = 1, number
    image.SliceThickness, image.KVP, image.ExposureTime, image.XRayTubeCurrent = 1, 120, 500, 200
    image.ImagePositionPatient, image.ImageOrientationPatient = [-250, -250, number], [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceLocation = [0.97, 0.97], number
    image.Rows = image.Columns = PIXELS
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.WindowCenter, image.WindowWidth, image.RescaleIntercept, image.RescaleSlope = 40, 400, 0, 1
    image.add_new("PixelData", "OW", _pixels())
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
