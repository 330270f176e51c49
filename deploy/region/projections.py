"""Radiographs (CR and DX) and ultrasound clips: studies of one image."""

from collections.abc import Callable, Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    UltrasoundMultiFrameImageStorage,
)

from deploy.region.canvas import Image, make_texture
from deploy.region.cine import draw_abdomen_clip, draw_heart_clip
from deploy.region.datasets import (
    InstanceReference,
    SeriesLabel,
    encode_file,
    make_code,
    set_instance,
    start_dataset,
)
from deploy.region.facts import Region, Study
from deploy.region.films import draw_chest_film, draw_hand_film, draw_knee_film
from deploy.region.phantoms import BodyShape, pick_body_shape
from deploy.region.pixels import (
    add_image_description,
    choose_colour_syntax,
    set_colour_frames,
    set_grey_pixels,
)
from deploy.region.reporting import Lesion, plan_lesion

_DRAW_FILM: dict[str, Callable[[BodyShape, Lesion | None, Image], Image]] = {
    "CHEST": draw_chest_film,
    "KNEE": draw_knee_film,
    "HAND": draw_hand_film,
}
_VIEW_CODES = {"AP": ("399348003", "antero-posterior"), "PA": ("272479007", "postero-anterior")}


def build_radiograph(region: Region, study: Study) -> Iterator[tuple[InstanceReference, bytes]]:
    """Build the one image of a CR or DX study, twice as fine as a CT."""
    hospital, view = study.hospital, "AP" if study.exam.body_region == "KNEE" else "PA"
    series = SeriesLabel("image", 1, study.exam.modality, f"{study.procedure.description} {view}")
    is_cr = study.exam.modality == "CR"
    sop_class_uid = ComputedRadiographyImageStorage if is_cr else DigitalXRayImageStorageForPresentation
    dataset = start_dataset(region, study, series, sop_class_uid)
    reference = set_instance(dataset, region, study, series, 1)
    add_image_description(dataset, study, 12)
    set_grey_pixels(dataset, _expose_film(region, study), hospital.transfer_syntax_uid)
    _describe_radiograph(dataset, study, view)
    if is_cr:
        _describe_cr(dataset, study)
    else:
        _describe_dx(dataset, study, view)
    yield reference, encode_file(dataset, hospital.transfer_syntax_uid, hospital.ae_title)


def build_clip(region: Region, study: Study) -> Iterator[tuple[InstanceReference, bytes]]:
    """Build the one clip of an ultrasound study."""
    hospital, size = study.hospital, region.size
    series = SeriesLabel("image", 1, "US", study.procedure.description)
    dataset = start_dataset(region, study, series, UltrasoundMultiFrameImageStorage)
    reference = set_instance(dataset, region, study, series, 1)
    body = pick_body_shape(region.seeds.open_stream("body", study.patient.index))
    stream = region.seeds.open_stream("pixels", hospital.code, study.accession_number)
    is_heart = study.exam.kind == "us_heart"
    draw = draw_heart_clip if is_heart else draw_abdomen_clip
    add_image_description(dataset, study, 8)
    set_colour_frames(dataset, draw(size.size_px, size.frames, body, stream))
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "2D IMAGING" if is_heart else "ABDOMINAL", "0001"]
    dataset.FrameTime = 50
    dataset.FrameIncrementPointer = 0x00181063
    dataset.PatientOrientation = ""
    dataset.SequenceOfUltrasoundRegions = [_make_ultrasound_region(dataset, study)]
    yield (
        reference,
        encode_file(dataset, choose_colour_syntax(hospital.transfer_syntax_uid), hospital.ae_title),
    )


def _expose_film(region: Region, study: Study) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint16]]":
    stream = region.seeds.open_stream("pixels", study.hospital.code, study.accession_number)
    body = pick_body_shape(region.seeds.open_stream("body", study.patient.index))
    lesion = plan_lesion(region.seeds, study.patient, study.prior_number)
    texture = make_texture(stream, region.size.size_px * 2, 90)
    absorbed = _DRAW_FILM[study.exam.body_region](body, lesion, texture)
    film = (absorbed * 4000 + 40).astype(np.uint16)
    return np.ascontiguousarray(film[:, ::-1] if study.laterality == "L" else film)


def _describe_radiograph(dataset: Dataset, study: Study, view: str) -> None:
    spacing_mm = round(study.exam.field_of_view_mm / dataset.Columns, 4)
    dataset.ViewPosition = view
    mirrored = study.laterality == "L" and study.exam.body_region != "CHEST"
    dataset.PatientOrientation = ["R", "F"] if mirrored else ["L", "F"]
    dataset.ImagerPixelSpacing = [spacing_mm, spacing_mm]
    dataset.WindowCenter, dataset.WindowWidth = 2048, 3900
    dataset.KVP = 120 if study.exam.body_region == "CHEST" else 60


def _describe_cr(dataset: Dataset, study: Study) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PlateType = "FOSFOR"
    if study.laterality:
        dataset.Laterality = study.laterality


def _describe_dx(dataset: Dataset, study: Study, view: str) -> None:
    view_code, view_meaning = _VIEW_CODES[view]
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.DetectorType, dataset.DetectorID = "SCINTILLATOR", dataset.DeviceSerialNumber
    dataset.ImageLaterality = study.laterality or "U"
    dataset.AnatomicRegionSequence = [make_code(study.exam.anatomy_code, "SCT", study.exam.anatomy_meaning)]
    dataset.AcquisitionContextSequence = []
    dataset.ViewCodeSequence = [make_code(view_code, "SCT", view_meaning)]
    dataset.PositionerType = ""


def _make_ultrasound_region(dataset: Dataset, study: Study) -> Dataset:
    """Make the calibration of the sector.

    Standard: PS3.3 C.8.5.5
    """
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = 0, 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = dataset.Columns - 1, dataset.Rows - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = study.exam.field_of_view_mm / 10 / dataset.Rows
    return item
