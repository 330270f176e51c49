"""Graphics and texts of presentation states: where they are drawn, and what is too much."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.repository.test_presentation import make_image, make_state, render
from tests.repository.test_rendered import path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db


def annotate(state: Dataset, *graphics: tuple[str, str, list[float]], text: str = "") -> Dataset:
    annotation = Dataset()
    annotation.GraphicLayer = "LAYER"
    annotation.GraphicObjectSequence = Sequence()
    for kind, units, points in graphics:
        graphic = Dataset()
        graphic.GraphicAnnotationUnits, graphic.GraphicDimensions = units, 2
        graphic.NumberOfGraphicPoints, graphic.GraphicData = len(points) // 2, points
        graphic.GraphicType, graphic.GraphicFilled = kind, "N"
        annotation.GraphicObjectSequence.append(graphic)
    if text:
        words = Dataset()
        words.BoundingBoxAnnotationUnits, words.UnformattedTextValue = "PIXEL", text
        words.BoundingBoxTopLeftHandCorner, words.BoundingBoxBottomRightHandCorner = [5, 5], [55, 20]
        words.BoundingBoxTextHorizontalJustification = "LEFT"
        annotation.TextObjectSequence = Sequence([words])
    state.GraphicAnnotationSequence = Sequence([annotation])
    return state


@pytest.mark.parametrize(
    ("kind", "units", "points", "hit"),
    [
        ("POLYLINE", "PIXEL", [10.5, 5.5, 10.5, 30.5], (20, 10)),
        ("POLYLINE", "DISPLAY", [0.5, 0.1, 0.5, 0.9], (20, 30)),
        ("POINT", "PIXEL", [20.5, 20.5], (20, 20)),
        ("CIRCLE", "PIXEL", [30.5, 20.5, 40.5, 20.5], (20, 20)),
        ("ELLIPSE", "PIXEL", [10.5, 20.5, 50.5, 20.5, 30.5, 10.5, 30.5, 30.5], (10, 30)),
        ("INTERPOLATED", "PIXEL", [5.5, 5.5, 20.5, 20.5, 50.5, 30.5], (20, 20)),
    ],
)
def test_graphics_pass_where_they_are_drawn(vendor, kind, units, points, hit):
    image = make_image(PixelData=bytes(40 * 60 * 2))
    levels = render(vendor, image, annotate(make_state(image), (kind, units, points)))
    assert levels[hit] == 255
    assert 0 < (levels == 255).mean() < 0.2


def test_graphics_turn_with_the_image(vendor):
    image = make_image(PixelData=bytes(40 * 60 * 2))
    line = ("POLYLINE", "PIXEL", [0.0, 0.5, 60.0, 0.5])
    levels = render(vendor, image, annotate(make_state(image, ImageRotation=90), line))
    assert levels.shape == (60, 40)
    assert (levels[1:-1, 39] == 255).all()


def test_texts_are_drawn_and_control_characters_are_not(vendor):
    image = make_image(PixelData=bytes(40 * 60 * 2))
    levels = render(vendor, image, annotate(make_state(image), text="Fynd\r\nå\x1b[31m"))
    assert (levels > 200)[5:20, 5:55].any()


def test_a_state_may_have_many_texts(vendor):
    image = make_image(PixelData=bytes(40 * 60 * 2))
    state = annotate(make_state(image), text="label")
    texts = state.GraphicAnnotationSequence[0].TextObjectSequence
    texts.extend([texts[0]] * 200)
    assert (render(vendor, image, state) > 200).any()


def test_absurd_graphics_are_refused_in_time(vendor):
    image = make_image()
    state = annotate(make_state(image), ("POLYLINE", "PIXEL", [1e30, -1e30, -1e30, 1e30] * 20_000))
    files = [dicom.write_file(dataset, dicom.EXPLICIT) for dataset in (image, state)]
    vendor.store(*files)
    response = vendor.get(f"{path_of(files[1])}/rendered")
    assert response.status_code == 406
    assert "draws more" in response.json()["error"]
