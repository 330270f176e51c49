"""Presentation states decide how an image is shown; DCMTK shows the same."""

import io
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.repository.test_documents import strip_pixels
from tests.repository.test_rendered import body_of, open_picture, parts_of, path_of
from tests.support import dicom
from tests.support.pixel_files import make_phantom

pytestmark = pytest.mark.django_db

PR_SET = Path(__file__).resolve().parents[3] / "shared" / "data" / "files" / "series" / "pr-set"
GREYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"


def make_image(**attributes: Any) -> Dataset:
    dataset = dcmread(io.BytesIO(dicom.make_ct(rows=40, columns=60)))
    dataset.PixelData = make_phantom(40, 60, "u2", 0, 4095).tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def make_state(image: Dataset, **attributes: Any) -> Dataset:
    """Return a greyscale presentation state of an image: all of it, turned by nothing, window 1024/2048."""
    state = strip_pixels(dicom.write_file(image, dicom.EXPLICIT))
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "InstanceNumber"):
        delattr(state, keyword)
    state.SOPClassUID, state.Modality = GREYSCALE, "PR"
    state.SOPInstanceUID, state.SeriesInstanceUID = dicom.make_uid(), dicom.make_uid()
    state.SeriesNumber = state.InstanceNumber = 99
    state.ContentLabel, state.ContentDescription, state.ContentCreatorName = "STATE", "", "A^B"
    state.PresentationCreationDate, state.PresentationCreationTime = "20260302", "101500"
    reference, series, area, window = Dataset(), Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
        image.SOPClassUID,
        image.SOPInstanceUID,
    )
    series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, Sequence([reference])
    state.ReferencedSeriesSequence = Sequence([series])
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [60, 40]
    area.PresentationSizeMode, area.PresentationPixelAspectRatio = "SCALE TO FIT", [1, 1]
    state.DisplayedAreaSelectionSequence = Sequence([area])
    window.WindowCenter, window.WindowWidth = 1024, 2048
    state.SoftcopyVOILUTSequence = Sequence([window])
    state.PresentationLUTShape = "IDENTITY"
    for keyword, value in attributes.items():
        if value is None:
            delattr(state, keyword)
        else:
            setattr(state, keyword, value)
    return state


def render(vendor, image: Dataset, state: Dataset, query: str = "") -> np.ndarray[Any, Any]:
    files = [dicom.write_file(dataset, dicom.EXPLICIT) for dataset in (image, state)]
    assert vendor.store(*files).status_code == 200
    response = vendor.get(f"{path_of(files[1])}/rendered{query}", "image/png")
    assert response.status_code == 200, response.content
    return np.asarray(open_picture(body_of(response)))


def window_of(image: Dataset, center: float, width: float, slope: float = 1, intercept: float = 0) -> Any:
    values = image.pixel_array.astype(float) * slope + intercept
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255


def make_table(entries: Any, bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), 0, bits]
    item.add_new(0x00283006, "OW", np.asarray(entries, "<u2").tobytes())
    return item


def test_the_window_of_the_state_replaces_that_of_the_image(vendor):
    image = make_image()
    state = make_state(image, RescaleSlope=2, RescaleIntercept=-100, RescaleType="HU")
    levels = render(vendor, image, state)
    assert np.abs(levels - window_of(image, 1024, 2048, 2, -100)).max() <= 1


def test_without_transformations_the_whole_range_is_shown(vendor):
    image = make_image()
    levels = render(vendor, image, make_state(image, SoftcopyVOILUTSequence=None))
    assert np.abs(levels - image.pixel_array / 4095 * 255).max() <= 1


def test_inverse_turns_the_levels_around_whatever_the_image_says(vendor):
    image = make_image(PhotometricInterpretation="MONOCHROME1")
    expected = window_of(image, 1024, 2048)
    assert np.abs(render(vendor, image, make_state(image)) - expected).max() <= 1
    inverse = make_state(image, PresentationLUTShape="INVERSE")
    assert np.abs(render(vendor, image, inverse) - (255 - expected)).max() <= 1


def test_a_presentation_table_comes_last(vendor):
    image = make_image()
    table = make_table(np.linspace(4095, 0, 256), 12)
    state = make_state(image, PresentationLUTShape=None, PresentationLUTSequence=Sequence([table]))
    assert np.abs(render(vendor, image, state) - (255 - window_of(image, 1024, 2048))).max() <= 2


def test_a_window_for_another_image_is_not_taken(vendor):
    image = make_image()
    state = make_state(image)
    other = Dataset()
    other.ReferencedSOPClassUID, other.ReferencedSOPInstanceUID = image.SOPClassUID, "1.2.3"
    window = Dataset()
    window.WindowCenter, window.WindowWidth = 1, 2
    window.ReferencedImageSequence = Sequence([other])
    state.SoftcopyVOILUTSequence = Sequence([window, state.SoftcopyVOILUTSequence[0]])
    assert np.abs(render(vendor, image, state) - window_of(image, 1024, 2048)).max() <= 1


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", ["N", "Y"])
def test_an_image_is_turned_and_then_flipped(vendor, angle, flip):
    image = make_image()
    expected = np.rot90(window_of(image, 1024, 2048), -angle // 90)
    expected = expected[:, ::-1] if flip == "Y" else expected
    state = make_state(image, ImageRotation=angle, ImageHorizontalFlip=flip)
    levels = render(vendor, image, state)
    assert levels.shape == expected.shape
    assert np.abs(levels - expected).max() <= 1


def test_only_the_displayed_area_is_shown_black_beyond_the_image(vendor):
    image = make_image()
    state = make_state(image)
    area = state.DisplayedAreaSelectionSequence[0]
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [-9, 11], [20, 50]
    levels = render(vendor, image, state)
    assert levels.shape == (40, 30)
    assert levels[:, :10].max() == levels[30:].max() == 0
    assert np.abs(levels[:30, 10:] - window_of(image, 1024, 2048)[10:, :20]).max() <= 1


def test_an_area_fills_the_viewport_and_magnification_crops(vendor):
    image = make_image()
    state = make_state(image)
    assert render(vendor, image, state, "?viewport=120,300").shape == (80, 120)
    turned = make_state(image, ImageRotation=90)
    assert render(vendor, image, turned, "?viewport=120,300").shape == (180, 120)
    state = make_state(image)
    area = state.DisplayedAreaSelectionSequence[0]
    area.PresentationSizeMode, area.PresentationPixelMagnificationRatio = "MAGNIFY", 3
    assert render(vendor, image, state).shape == (120, 180)
    state.SOPInstanceUID = dicom.make_uid()
    assert render(vendor, image, state, "?viewport=90,90").shape == (90, 90)


def test_shutters_hide_what_is_outside(vendor):
    image = make_image()
    state = make_state(
        image,
        ShutterShape=["RECTANGULAR", "CIRCULAR"],
        ShutterLeftVerticalEdge=11,
        ShutterRightVerticalEdge=50,
        ShutterUpperHorizontalEdge=6,
        ShutterLowerHorizontalEdge=35,
        CenterOfCircularShutter=[20, 30],
        RadiusOfCircularShutter=15,
        ShutterPresentationValue=65535,
    )
    levels = render(vendor, image, state)
    y, x = np.ogrid[1:41, 1:61]
    shown = (x >= 11) & (x <= 50) & (y >= 6) & (y <= 35) & ((y - 20) ** 2 + (x - 30) ** 2 <= 225)
    assert (levels[~shown] == 255).all()
    assert np.abs(levels - window_of(image, 1024, 2048))[shown].max() <= 1


def test_an_active_overlay_is_drawn_and_others_are_not(vendor):
    image = make_image()
    bits = np.zeros((10, 8), np.uint8)
    bits[2:5, 3:6] = 1
    for group in (0x6000, 0x6002):
        for element, vr, value in (
            (0x10, "US", 10),
            (0x11, "US", 8),
            (0x40, "CS", "G"),
            (0x50, "SS", [5, 7]),
        ):
            image.add_new((group, element), vr, value)
        image.add_new((group, 0x100), "US", 1)
        image.add_new((group, 0x102), "US", 0)
        image.add_new((group, 0x3000), "OW", np.packbits(bits, bitorder="little").tobytes())
    image[0x6002, 0x50].value = [20, 30]
    plain = render(vendor, image, make_state(image)).astype(int)
    state = make_state(image)
    state.add_new((0x6000, 0x1001), "CS", "LAYER")
    layer = Dataset()
    layer.GraphicLayer, layer.GraphicLayerOrder, layer.GraphicLayerRecommendedDisplayGrayscaleValue = (
        "LAYER",
        1,
        32896,
    )
    state.GraphicLayerSequence = Sequence([layer])
    levels = render(vendor, image, state)
    changed = np.zeros((40, 60), bool)
    changed[4:14, 6:14] = bits.astype(bool)
    assert (levels[changed] == 128).all()
    assert (levels[~changed] == plain[~changed]).all()


def test_colours_of_a_pseudo_colour_state(vendor):
    image = make_image()
    state = make_state(image, SOPClassUID="1.2.840.10008.5.1.4.1.1.11.3", PresentationLUTShape=None)
    for channel, entries in (("Red", range(256)), ("Green", range(255, -1, -1)), ("Blue", [7] * 256)):
        setattr(state, f"{channel}PaletteColorLookupTableDescriptor", [256, 0, 16])
        words = np.asarray(list(entries), "<u2") * 257
        setattr(state, f"{channel}PaletteColorLookupTableData", words.astype("<u2").tobytes())
    picture = render(vendor, image, state).astype(int)
    expected = window_of(image, 1024, 2048)
    assert np.abs(picture[..., 0] - expected).max() <= 1
    assert np.abs(picture[..., 1] - (255 - expected)).max() <= 1
    assert (picture[..., 2] == 7).all()


def test_a_colour_state_turns_a_colour_image(vendor):
    image = make_image(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    pixels = np.arange(40 * 60 * 3, dtype=np.uint16).astype(np.uint8).reshape(40, 60, 3)
    image.PixelData = pixels.tobytes()
    state = make_state(image, SOPClassUID="1.2.840.10008.5.1.4.1.1.11.2", ImageRotation=180)
    for keyword in ("SoftcopyVOILUTSequence", "PresentationLUTShape"):
        delattr(state, keyword)
    assert np.array_equal(render(vendor, image, state), pixels[::-1, ::-1])


def test_an_area_far_beyond_the_image_stays_small_enough(vendor):
    image = make_image()
    state = make_state(image)
    area = state.DisplayedAreaSelectionSequence[0]
    area.DisplayedAreaTopLeftHandCorner = [-1_000_000, -1_000_000]
    area.DisplayedAreaBottomRightHandCorner = [2_000_000_000, 1_000_000_000]
    assert max(render(vendor, image, state).shape) <= 4096
    assert render(vendor, image, state, "?viewport=100,100").shape == (50, 100)


@pytest.mark.parametrize("number", [6, 7, 8, 9, 10, 11])
def test_a_state_of_volumes_is_refused_with_the_reason(vendor, number):
    image = make_image()
    state = make_state(image, SOPClassUID=f"1.2.840.10008.5.1.4.1.1.11.{number}")
    files = [dicom.write_file(dataset, dicom.EXPLICIT) for dataset in (image, state)]
    vendor.store(*files)
    answer = vendor.get(f"{path_of(files[1])}/rendered")
    assert answer.status_code == 406
    assert "volumes" in answer.json()["error"]


def test_what_a_state_does_not_allow_is_refused(vendor):
    image = make_image()
    state = make_state(image)
    render(vendor, image, state)
    path = f"{path_of(dicom.write_file(state, dicom.EXPLICIT))}/rendered"
    for query in ("window=40,400,linear", "viewport=10,10,1,1,5,5", "viewport=10,10,,,5,5"):
        assert vendor.get(f"{path}?{query}").status_code == 400
    assert vendor.get(f"{path}?viewport=10,10&annotation=technique&quality=50").status_code == 200


def test_a_state_without_its_image_cannot_be_shown(vendor):
    state = dicom.write_file(make_state(make_image()), dicom.EXPLICIT)
    vendor.store(state)
    response = vendor.get(f"{path_of(state)}/rendered")
    assert response.status_code == 406
    assert "refers to is here" in response.json()["error"]


def test_a_state_of_several_images_is_a_part_for_each(vendor):
    study = dicom.StudyFacts()
    files = dicom.make_series(study, 2)
    images = [dcmread(io.BytesIO(file)) for file in files]
    state = make_state(images[0])
    state.DisplayedAreaSelectionSequence[0].DisplayedAreaBottomRightHandCorner = [8, 8]
    second = Dataset()
    second.ReferencedSOPClassUID, second.ReferencedSOPInstanceUID = dicom.CT, images[1].SOPInstanceUID
    state.ReferencedSeriesSequence[0].ReferencedImageSequence.append(second)
    file = dicom.write_file(state, dicom.EXPLICIT)
    vendor.store(*files, file)
    path = f"{path_of(file)}/rendered"
    pictures = [
        np.asarray(open_picture(part.get_payload(decode=True)))
        for part in parts_of(vendor.get(path, 'multipart/related; type="image/png"'))
    ]
    for picture, image in zip(pictures, images, strict=True):
        assert np.abs(picture - window_of(image, 1024, 2048)).max() <= 1
    assert np.array_equal(np.asarray(open_picture(vendor.get(path, "image/png").content)), pictures[0])


def show_with_dcmtk(folder: Path, image: bytes, state: bytes) -> Any:
    for name, data in (("image.dcm", image), ("state.dcm", state)):
        (folder / name).write_bytes(data)
    command = ["dcmp2pgm", "-q", "-p", folder / "state.dcm", folder / "image.dcm", folder / "shown.pgm"]
    subprocess.run([str(part) for part in command], check=True, timeout=60)
    return np.asarray(Image.open(folder / "shown.pgm")).astype(int)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"RescaleSlope": 2, "RescaleIntercept": -500, "RescaleType": "HU"},
        {"PresentationLUTShape": "INVERSE"},
        {"SoftcopyVOILUTSequence": None},
        {"ImageRotation": 90, "ImageHorizontalFlip": "N"},
        {"ImageRotation": 270, "ImageHorizontalFlip": "Y"},
    ],
    ids=["window", "rescale", "inverse", "no window", "turned", "turned and flipped"],
)
def test_dcmtk_shows_the_same(vendor, tmp_path, attributes):
    image = make_image()
    state = make_state(image, **attributes)
    mine = render(vendor, image, state).astype(int)
    files = [dicom.write_file(dataset, dicom.EXPLICIT) for dataset in (image, state)]
    assert np.abs(mine - show_with_dcmtk(tmp_path, *files)).max() <= 1


@pytest.mark.skipif(not PR_SET.exists(), reason="the shared sample data is not here")
def test_dcmtk_shows_a_real_state_the_same(vendor, tmp_path):
    image, state = ((PR_SET / name).read_bytes() for name in ("img_imageForPrLUTs.dcm", "img_prLUTs.dcm"))
    vendor.store(image, state)
    response = vendor.get(f"{path_of(state)}/rendered", "image/png")
    mine = np.asarray(open_picture(response.content)).astype(int)
    assert np.abs(mine - show_with_dcmtk(tmp_path, image, state)).max() <= 2
