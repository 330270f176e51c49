"""Words in pictures: drawn with the fonts of the system or without them, whatever is in the words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from repository import lettering
from repository.annotations import burn_annotations, describe_patient, describe_technique
from repository.icons import draw_icon
from repository.lettering import clean_line, draw_lines, load_font


@pytest.fixture(params=["fonts of the system", "no fonts"])
def fonts(request, monkeypatch):
    if request.param == "no fonts":
        monkeypatch.setattr(lettering, "_FONTS", ())
    load_font.cache_clear()
    yield
    load_font.cache_clear()


def test_words_are_drawn_with_a_dark_rim(fonts):
    image = Image.new("L", (200, 40), 128)
    draw_lines(ImageDraw.Draw(image), (5, 5), ["Åkesson\x00\x1b[0m", "two"], 12, 255)
    levels = np.asarray(image)
    assert levels.max() == 255
    assert levels.min() == 0
    assert (levels[:, 150:] == 128).all()


@given(st.text(max_size=300))
def test_any_text_becomes_one_bounded_line(text):
    line = clean_line(text)
    assert len(line) <= 200
    assert line.isprintable() or "\u2028" in line or "\xa0" in line or not line.isascii()
    assert not set(line) & {"\n", "\r", "\x00", "\x1b"}
    assert clean_line(text, is_ascii=True).isascii()


def test_accents_are_dropped_where_the_font_has_none():
    assert clean_line("Åkesson, Örjan ł", is_ascii=True) == "Akesson, Orjan ?"


def test_what_is_known_is_said_and_nothing_else(fonts):
    attributes = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Tolvansson^Tolvan^T"}]},
        "00100020": {"vr": "LO", "Value": ["191212121212"]},
        "00100030": {"vr": "DA", "Value": ["19121212"]},
        "00100040": {"vr": "CS"},
        "00080060": {"vr": "CS", "Value": ["CT"]},
        "00200013": {"vr": "IS", "Value": [7]},
    }
    assert describe_patient(attributes) == ["Tolvansson, Tolvan T", "191212121212", "1912-12-12"]
    assert describe_technique(attributes, 2, 5) == ["CT", "Im: 7", "Fr: 3/5"]
    assert describe_patient({}) == describe_technique({}, 0, 1) == []
    picture = np.zeros((100, 200, 3), np.uint8)
    burned = burn_annotations(picture, attributes, ("patient",), frame_index=0, number_of_frames=1)
    assert burned.max() > 200
    assert picture.max() == 0


@pytest.mark.parametrize("side", [1, 2, 31, 32, 128, 1024])
def test_a_sign_can_have_any_size(fonts, side):
    assert draw_icon("DOC", side, side + 7).shape == (side, side)
