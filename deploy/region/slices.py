"""CT and MR series: a stack of sections through a body part."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage

from deploy.region.canvas import Image, make_texture
from deploy.region.datasets import InstanceReference, SeriesLabel, encode_file, set_instance, start_dataset
from deploy.region.facts import Region, Study
from deploy.region.phantoms import (
    CT_HEAD,
    T1_HEAD,
    T2_HEAD,
    BodyShape,
    HeadContrast,
    draw_abdomen,
    draw_chest,
    draw_head,
    draw_knee,
    pick_body_shape,
)
from deploy.region.pixels import add_image_description, set_grey_pixels
from deploy.region.reporting import Lesion, plan_lesion

Drawing = Callable[[float, BodyShape, Lesion | None, Image], Image]

_HOUNSFIELD_OFFSET = 1024
_AXIAL, _CORONAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


@dataclass(frozen=True, slots=True)
class SliceProtocol:
    """How one CT or MR series is made.

    `window` is centre and width; `repetition_ms` and `echo_ms` are 0 for CT.
    """

    description: str
    window: tuple[float, float]
    draw: Drawing
    orientation: tuple[float, ...] = _AXIAL
    repetition_ms: float = 0
    echo_ms: float = 0


def _draw_head_in(contrast: HeadContrast, texture_gain: float = 1.0) -> Drawing:
    return lambda height, body, lesion, texture: draw_head(
        height, body, contrast, lesion, texture * texture_gain
    )


SLICE_PROTOCOLS = {
    "ct_head": (SliceProtocol("Axial hjärna", (40, 80), _draw_head_in(CT_HEAD, 0.5)),),
    "ct_chest": (SliceProtocol("Axial lunga", (-500, 1500), draw_chest),),
    "ct_abdomen": (SliceProtocol("Axial buk", (50, 400), draw_abdomen),),
    "mr_brain": (
        SliceProtocol("T1 axial", (420, 900), _draw_head_in(T1_HEAD), _AXIAL, 500, 12),
        SliceProtocol("T2 axial", (520, 1000), _draw_head_in(T2_HEAD), _AXIAL, 4200, 95),
    ),
    "mr_knee": (SliceProtocol("PD FS koronal", (350, 800), draw_knee, _CORONAL, 2800, 34),),
}


def build_slices(region: Region, study: Study) -> Iterator[tuple[InstanceReference, bytes]]:
    """Build the CT or MR images of a study, series by series and from the top down."""
    for number, protocol in enumerate(SLICE_PROTOCOLS[study.exam.kind], start=1):
        series = SeriesLabel("image", number, study.exam.modality, protocol.description)
        yield from _build_series(region, study, series, protocol)


def _build_series(
    region: Region, study: Study, series: SeriesLabel, protocol: SliceProtocol
) -> Iterator[tuple[InstanceReference, bytes]]:
    size, hospital = region.size, study.hospital
    body = pick_body_shape(region.seeds.open_stream("body", study.patient.index))
    lesion = plan_lesion(region.seeds, study.patient, study.prior_number)
    stream = region.seeds.open_stream("pixels", hospital.code, study.accession_number, series.number)
    texture = make_texture(stream, size.size_px, 20)
    dataset = _start_series(region, study, series, protocol)
    for slice_index, height in enumerate(np.linspace(-0.92, 0.92, size.slices).tolist()):
        reference = set_instance(dataset, region, study, series, slice_index + 1)
        grain = np.roll(texture, slice_index * 3, axis=1)
        signal = protocol.draw(height, body, lesion, grain)
        offset = _HOUNSFIELD_OFFSET if study.exam.modality == "CT" else 0
        pixels = np.clip(signal + offset, 0, 4095).astype(np.uint16)
        set_grey_pixels(dataset, pixels, hospital.transfer_syntax_uid)
        _place(dataset, study, size.slices, height, protocol.orientation)
        yield reference, encode_file(dataset, hospital.transfer_syntax_uid, hospital.ae_title)


def _start_series(region: Region, study: Study, series: SeriesLabel, protocol: SliceProtocol) -> Dataset:
    is_ct = study.exam.modality == "CT"
    dataset = start_dataset(region, study, series, CTImageStorage if is_ct else MRImageStorage)
    add_image_description(dataset, study, 12)
    dataset.WindowCenter, dataset.WindowWidth = protocol.window
    dataset.FrameOfReferenceUID = region.seeds.make_uid("frame of reference", study.study_instance_uid)
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFS"
    if study.laterality:
        dataset.Laterality = study.laterality
    if is_ct:
        _describe_ct(dataset)
    else:
        _describe_mr(dataset, protocol)
    return dataset


def _describe_ct(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -_HOUNSFIELD_OFFSET, 1, "HU"
    dataset.KVP, dataset.XRayTubeCurrent, dataset.ExposureTime = 120, 200, 500
    dataset.ConvolutionKernel = "MJUK"


def _describe_mr(dataset: Dataset, protocol: SliceProtocol) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "SE", "NONE", ""
    dataset.MRAcquisitionType, dataset.EchoTrainLength, dataset.FlipAngle = "2D", 1, 90
    dataset.RepetitionTime, dataset.EchoTime = protocol.repetition_ms, protocol.echo_ms
    dataset.MagneticFieldStrength = 1.5


def _place(
    dataset: Dataset, study: Study, slices: int, height: float, orientation: tuple[float, ...]
) -> None:
    """Say where in the patient the section lies.

    Standard: PS3.3 C.7.6.2
    """
    pixel_mm = study.exam.field_of_view_mm / dataset.Columns
    thickness_mm = round(study.exam.depth_mm / slices, 2)
    corner_mm, depth_mm = -pixel_mm * (dataset.Columns - 1) / 2, round(-height * thickness_mm * slices / 2, 3)
    dataset.ImageOrientationPatient = list(orientation)
    position = (
        [corner_mm, corner_mm, depth_mm] if orientation == _AXIAL else [corner_mm, depth_mm, -corner_mm]
    )
    dataset.ImagePositionPatient = [round(value, 3) for value in position]
    dataset.PixelSpacing = [round(pixel_mm, 4)] * 2
    dataset.SliceThickness = thickness_mm
    dataset.SliceLocation = depth_mm
