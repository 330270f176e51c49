"""Blending states: what is laid over what, where and how much, against the arithmetic of the standard.

Standard: PS3.4 N.2.4, PS3.3 C.11.14, C.7.6.2.1.1
"""

import io
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from repository.planes import find_distance_mm, map_pixels, read_plane
from tests.repository.test_presentation import make_state, window_of
from tests.repository.test_rendered import body_of, open_picture, parts_of, path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db

BLENDING = "1.2.840.10008.5.1.4.1.1.11.4"
OPACITY = 0.25
FRAME_OF_REFERENCE = dicom.make_uid()
# From blue to red: what lies above is seen in neither grey.
PALETTE = {"Red": np.arange(256), "Green": np.zeros(256), "Blue": 255 - np.arange(256)}


def make_slice(
    study: dicom.StudyFacts, rows: int, columns: int, spacing: float, **attributes: Any
) -> Dataset:
    """Return an axial image whose first pixel has its outer corner at -100, -100."""
    dataset = dcmread(io.BytesIO(dicom.make_ct(study, rows=rows, columns=columns)))
    y, x = np.mgrid[:rows, :columns]
    dataset.PixelData = (1000 + (37 * x + 11 * y) % 2000).astype("<u2").tobytes()
    dataset.FrameOfReferenceUID = FRAME_OF_REFERENCE
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [spacing, spacing]
    dataset.ImagePositionPatient = [-100 + spacing / 2, -100 + spacing / 2, 5]
    dataset.SliceThickness = 2
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def refer(images: list[Dataset], position: str, window: tuple[float, float]) -> Dataset:
    item = Dataset()
    item.BlendingPosition, item.StudyInstanceUID = position, images[0].StudyInstanceUID
    series: dict[str, list[Dataset]] = {}
    for image in images:
        reference = Dataset()
        reference.ReferencedSOPClassUID = image.SOPClassUID
        reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
        series.setdefault(image.SeriesInstanceUID, []).append(reference)
    item.ReferencedSeriesSequence = Sequence()
    for uid, references in series.items():
        referenced = Dataset()
        referenced.SeriesInstanceUID, referenced.ReferencedImageSequence = uid, Sequence(references)
        item.ReferencedSeriesSequence.append(referenced)
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = 1, 0, "US"
    voi = Dataset()
    voi.WindowCenter, voi.WindowWidth = window
    item.SoftcopyVOILUTSequence = Sequence([voi])
    return item


def make_blending(below: list[Dataset], above: list[Dataset]) -> Dataset:
    state = make_state(below[0], SOPClassUID=BLENDING)
    for keyword in ("ReferencedSeriesSequence", "SoftcopyVOILUTSequence", "PresentationLUTShape"):
        delattr(state, keyword)
    area = state.DisplayedAreaSelectionSequence[0]
    area.DisplayedAreaBottomRightHandCorner = [below[0].Columns, below[0].Rows]
    state.BlendingSequence = Sequence(
        [refer(below, "UNDERLYING", (1500, 2000)), refer(above, "SUPERIMPOSED", (2000, 2000))]
    )
    state.RelativeOpacity = OPACITY
    for channel, entries in PALETTE.items():
        setattr(state, f"{channel}PaletteColorLookupTableDescriptor", [256, 0, 16])
        words = (np.asarray(entries) * 257).astype("<u2").tobytes()
        setattr(state, f"{channel}PaletteColorLookupTableData", words)
    return state


def show(vendor, *datasets: Dataset, accept: str = "image/png"):
    files = [dicom.write_file(dataset, dicom.EXPLICIT) for dataset in datasets]
    assert vendor.store(*files).status_code == 200
    return vendor.get(f"{path_of(files[-1])}/rendered", accept)


def picture_of(answer) -> Any:
    assert answer.status_code == 200, answer.content
    return np.asarray(open_picture(body_of(answer)).convert("RGB")).astype(float)


def mix(below: Any, above: Any) -> Any:
    """Apply N.2.4.3 to levels from 0 to 255."""
    colours = np.stack([above, np.zeros_like(above), 255 - above], axis=-1)
    return colours * OPACITY + below[:, :, None] * (1 - OPACITY)


def test_two_images_of_one_size_are_mixed_pixel_by_pixel(vendor):
    study = dicom.StudyFacts()
    below, above = make_slice(study, 20, 30, 2), make_slice(study, 20, 30, 2, Modality="PT")
    above.PixelData = np.ascontiguousarray(above.pixel_array[::-1]).tobytes()
    picture = picture_of(show(vendor, below, above, make_blending([below], [above])))
    expected = mix(window_of(below, 1500, 2000), window_of(above, 2000, 2000))
    assert np.abs(picture - expected).max() <= 1


def test_a_coarser_image_is_found_by_its_place_and_turned(vendor):
    """The upper image has pixels of 4 mm instead of 2, its rows go down, and it covers the right half only."""
    study = dicom.StudyFacts()
    below = make_slice(study, 20, 40, 2)
    above = make_slice(study, 10, 10, 4, Modality="PT", ImageOrientationPatient=[0, 1, 0, 1, 0, 0])
    above.ImagePositionPatient = [-100 + 40 + 2, -100 + 2, 5.5]
    picture = picture_of(show(vendor, below, above, make_blending([below], [above])))
    grey = window_of(below, 1500, 2000)
    assert np.abs(picture[:, :20] - grey[:, :20, None]).max() <= 1
    upper = np.rint(window_of(above, 2000, 2000)).T  # as it lies in the patient
    places = np.clip((np.arange(20) + 0.5) / 2 - 0.5, 0, 9)
    by_columns = np.stack([np.interp(places, np.arange(10), row) for row in upper])
    between = np.stack([np.interp(places, np.arange(10), column) for column in by_columns.T], axis=1)
    expected = mix(grey[:, 20:], between)
    assert np.abs(picture[:, 20:] - expected).max() <= 1.5


def test_padding_shows_what_lies_below(vendor):
    study = dicom.StudyFacts()
    below, above = make_slice(study, 8, 8, 2), make_slice(study, 8, 8, 2, Modality="PT")
    pixels = above.pixel_array.copy()
    pixels[2:5, 3:6] = 0
    above.PixelData, above.PixelPaddingValue = pixels.tobytes(), 0
    above["PixelPaddingValue"].VR = "US"
    picture = picture_of(show(vendor, below, above, make_blending([below], [above])))
    grey = window_of(below, 1500, 2000)
    expected = mix(grey, window_of(above, 2000, 2000))
    expected[2:5, 3:6] = grey[2:5, 3:6, None]
    assert np.abs(picture - expected).max() <= 1


def test_of_many_slices_the_nearest_is_taken_or_none(vendor):
    study = dicom.StudyFacts()
    below = [
        make_slice(study, 8, 8, 2, ImagePositionPatient=[-99, -99, z], InstanceNumber=z) for z in (0, 3, 40)
    ]
    above = [
        make_slice(study, 8, 8, 2, Modality="PT", ImagePositionPatient=[-99, -99, z]) for z in (0.4, 3.9)
    ]
    above[1].PixelData = np.ascontiguousarray(above[1].pixel_array[:, ::-1]).tobytes()
    series = dicom.make_uid()
    for image in above:
        image.SeriesInstanceUID = series
    answer = show(
        vendor, *below, *above, make_blending(below, above), accept='multipart/related; type="image/png"'
    )
    pictures = [
        np.asarray(open_picture(part.get_payload(decode=True)).convert("RGB")).astype(float)
        for part in parts_of(answer)
    ]
    greys = [window_of(image, 1500, 2000) for image in below]
    for index in (0, 1):
        expected = mix(greys[index], window_of(above[index], 2000, 2000))
        assert np.abs(pictures[index] - expected).max() <= 1, index
    assert np.abs(pictures[2] - greys[2][:, :, None]).max() <= 1


def test_a_picture_is_made_again_when_what_lies_above_arrives(vendor):
    study = dicom.StudyFacts()
    below, late = make_slice(study, 8, 8, 2), make_slice(study, 8, 8, 2, Modality="PT")
    far = make_slice(study, 8, 8, 2, Modality="PT", ImagePositionPatient=[-99, -99, 500])
    state = make_blending([below], [far, late])
    first = picture_of(show(vendor, below, far, state))
    assert np.abs(first - window_of(below, 1500, 2000)[:, :, None]).max() <= 1
    second = picture_of(show(vendor, late, state))
    assert np.abs(second - mix(window_of(below, 1500, 2000), window_of(late, 2000, 2000))).max() <= 1


def test_the_uri_service_blends_too(vendor, client):
    study = dicom.StudyFacts()
    below, above = make_slice(study, 8, 8, 2), make_slice(study, 8, 8, 2, Modality="PT")
    state = make_blending([below], [above])
    show(vendor, below, above, state)
    query = {
        "requestType": "WADO",
        "studyUID": below.StudyInstanceUID,
        "seriesUID": below.SeriesInstanceUID,
        "objectUID": below.SOPInstanceUID,
        "contentType": "image/png",
        "presentationUID": state.SOPInstanceUID,
        "presentationSeriesUID": state.SeriesInstanceUID,
    }
    picture = picture_of(client.get("/wado", query, headers=vendor.headers))
    expected = mix(window_of(below, 1500, 2000), window_of(above, 2000, 2000))
    assert np.abs(picture - expected).max() <= 1


def without_upper(state: Dataset, above: Dataset) -> None:
    above.StudyInstanceUID = dicom.make_uid()


def with_registration(state: Dataset, above: Dataset) -> None:
    state.ReferencedSpatialRegistrationSequence = Sequence([Dataset()])
    state.ReferencedSpatialRegistrationSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def with_another_place(state: Dataset, above: Dataset) -> None:
    above.FrameOfReferenceUID = dicom.make_uid()


def with_segments(state: Dataset, above: Dataset) -> None:
    image = state.BlendingSequence[1].ReferencedSeriesSequence[0].ReferencedImageSequence[0]
    image.ReferencedSegmentNumber = 1


def with_two_below(state: Dataset, above: Dataset) -> None:
    state.BlendingSequence[1].BlendingPosition = "UNDERLYING"


def with_much_opacity(state: Dataset, above: Dataset) -> None:
    state.RelativeOpacity = 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_upper, "is here"),
        (with_registration, "registration"),
        (with_another_place, "frame of reference"),
        (with_segments, "segments"),
        (with_two_below, "SUPERIMPOSED"),
        (with_much_opacity, "opacity"),
    ],
)
def test_what_cannot_be_blended_is_refused_with_the_reason(vendor, change, reason):
    study = dicom.StudyFacts()
    below, above = make_slice(study, 8, 8, 2), make_slice(study, 8, 8, 2, Modality="PT")
    state = make_blending([below], [above])
    change(state, above)
    answer = show(vendor, below, above, state)
    assert answer.status_code == 406
    assert reason in answer.json()["error"]


def described(**changes: Any) -> dict[str, Any]:
    image = make_slice(dicom.StudyFacts(), 4, 4, 2, **changes)
    attributes: dict[str, Any] = dcmread(io.BytesIO(dicom.write_file(image, dicom.EXPLICIT))).to_json_dict()
    return attributes


def test_planes_that_are_tilted_or_far_apart_are_not_laid_on_each_other():
    plane = read_plane(described(), 0)
    tilted = read_plane(described(ImageOrientationPatient=[1, 0, 0, 0, 0.9397, 0.342]), 0)
    far = read_plane(described(ImagePositionPatient=[-99, -99, 6.1]), 0)
    near = read_plane(described(ImagePositionPatient=[-95, -99, 5.9]), 0)
    assert plane is not None
    assert tilted is not None
    assert far is not None
    assert near is not None
    assert find_distance_mm(plane, tilted) is None
    assert find_distance_mm(plane, far) is None
    assert find_distance_mm(plane, near) == pytest.approx(0.9)
    assert map_pixels(plane, near) @ [3, 1, 1] == pytest.approx([1, 1])


@pytest.mark.parametrize(
    "changes",
    [
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]},
        {"PixelSpacing": [0, 2]},
        {"ImagePositionPatient": None},
        {"FrameOfReferenceUID": ""},
    ],
)
def test_what_is_no_plane_has_none(changes):
    assert read_plane(described(**changes), 0) is None
