"""Rendering parameters: what the standard allows is read, everything else is refused with words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repository.rendering_parameters import (
    InvalidRenderingParameter,
    Viewport,
    Window,
    parse_quality,
    parse_viewport,
    parse_window,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40,400,linear", Window(40, 400, "LINEAR")),
        (" -600.5 , 1.5e3 , LINEAR-EXACT ", Window(-600.5, 1500, "LINEAR_EXACT")),
        ("0,0.25,sigmoid", Window(0, 0.25, "SIGMOID")),
    ],
)
def test_windows_are_read(text: str, expected: Window) -> None:
    assert parse_window(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "centre,width,function"),
        ("40", "centre,width,function"),
        ("40,400", "centre,width,function"),
        ("40,400,linear,1", "centre,width,function"),
        ("40,400,cubic", "linear, linear-exact or sigmoid"),
        ("40,0,linear", "at least 1"),
        ("40,-1,sigmoid", "above 0"),
        ("nan,400,linear", "centre is not a number"),
        ("40,inf,linear", "width is not a number"),
        ("40,1e999,linear", "width is not a number"),
        ("٤٠,400,linear", "centre is not a number"),
    ],
)
def test_windows_are_refused_with_words(text: str, complaint: str) -> None:
    with pytest.raises(InvalidRenderingParameter, match=complaint):
        parse_window(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512,256", Viewport(512, 256)),
        ("4096,1,0,0,10,20", Viewport(4096, 1, 0, 0, 10, 20)),
        ("64,64,,,-10,", Viewport(64, 64, 0, 0, -10, None)),
        ("64,64,1.5,2,3,4", Viewport(64, 64, 1.5, 2, 3, 4)),
        ("64,64,-1.5,-2,3,4", Viewport(64, 64, 1.5, 2, 3, 4)),
        ("64,64,5", Viewport(64, 64, 5, 0, None, None)),
        ("64,64,,5,20", Viewport(64, 64, 0, 5, 20, None)),
    ],
)
def test_viewports_are_read(text: str, expected: Viewport) -> None:
    assert parse_viewport(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "vw,vh or"),
        ("512", "vw,vh or"),
        ("512,512,0,0,5,5,5", "vw,vh or"),
        ("0,0", "vw is a whole number from 1 to 4096"),
        ("100000,100000", "vw is a whole number from 1 to 4096"),
        ("512,4097", "vh is a whole number from 1 to 4096"),
        ("-512,512", "vw is a whole number"),
        ("512.5,512", "vw is a whole number"),
        ("512,512,0,0,0,5", "must not be 0"),
        ("512,512,a,0,1,5", "sx is not a number"),
    ],
)
def test_viewports_are_refused_with_words(text: str, complaint: str) -> None:
    with pytest.raises(InvalidRenderingParameter, match=complaint):
        parse_viewport(text)


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("100", 100), (" 75 ", 75)])
def test_qualities_are_read(text: str, expected: int) -> None:
    assert parse_quality(text) == expected


@pytest.mark.parametrize("text", ["", "0", "101", "-5", "75.5", "high", "1" * 400])
def test_qualities_are_refused_with_words(text: str) -> None:
    with pytest.raises(InvalidRenderingParameter, match="whole number from 1 to 100"):
        parse_quality(text)


TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="0123456789,.-+eE linearsgmoid", max_size=40),
    st.lists(st.one_of(st.integers(), st.floats(), st.text(max_size=3)), max_size=7).map(
        lambda parts: ",".join(map(str, parts))
    ),
)


@given(TEXTS)
def test_any_text_is_a_usable_window_or_refused(text: str) -> None:
    try:
        window = parse_window(text)
    except InvalidRenderingParameter:
        return
    assert math.isfinite(window.center)
    assert math.isfinite(window.width)
    assert window.width >= (1 if window.function == "LINEAR" else 0)


@given(TEXTS)
def test_any_text_is_a_usable_viewport_or_refused(text: str) -> None:
    try:
        viewport = parse_viewport(text)
    except InvalidRenderingParameter:
        return
    assert 1 <= viewport.width <= 4096
    assert 1 <= viewport.height <= 4096
    assert viewport.source_x >= 0
    assert viewport.source_width != 0


@given(st.text(max_size=10))
def test_any_text_is_a_usable_quality_or_refused(text: str) -> None:
    try:
        quality = parse_quality(text)
    except InvalidRenderingParameter:
        return
    assert 1 <= quality <= 100


@given(st.floats(-1e6, 1e6), st.floats(1, 1e6))
def test_windows_written_as_text_come_back(center: float, width: float) -> None:
    assert parse_window(f"{center:.6f},{width:.6f},linear") == Window(
        float(f"{center:.6f}"), float(f"{width:.6f}")
    )
