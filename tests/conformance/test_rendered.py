"""Rendered resources and thumbnails.

Standard: PS3.18 8.3.5, 8.7.4, 10.4.1.1.4, 10.4.1.1.7
"""

import io
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.conformance.archive import PDF, Archive
from tests.conformance.wire import Reply

pytestmark = pytest.mark.server

IMAGES = (
    "ct1",
    "pt",
    "implicit",
    "big_endian",
    "deflated",
    "rle",
    "multiframe",
    "rgb",
    "jpeg",
    "jpeg_ls",
    "jpeg_2000",
    "htj2k",
)
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF"}


def rendered(
    archive: Archive, name: str, query: str = "", accept: str = "image/png", resource: str = "rendered"
) -> Reply:
    return archive.ask(f"{archive[name].path}/{resource}{query}", accept)


def picture(answer: Reply) -> Image.Image:
    assert answer.status == 200, answer.describe()
    return Image.open(io.BytesIO(answer.body))


@pytest.mark.parametrize("name", IMAGES)
def test_every_image_is_rendered_as_jpeg_by_default(archive, name):
    """PS3.18 table 8.7.4-1: image/jpeg is the default."""
    answer = (
        rendered(archive, name, accept="*/*")
        if name != "multiframe"
        else rendered(archive, name, accept="image/jpeg, */*;q=0.1", resource="frames/1/rendered")
    )
    image = picture(answer)
    assert answer.media_type == "image/jpeg"
    assert image.format == "JPEG"
    assert image.size == (archive[name].dataset.Columns, archive[name].dataset.Rows)


@pytest.mark.parametrize("accept", FORMATS)
@pytest.mark.parametrize("resource", ["rendered", "frames/1/rendered", "thumbnail", "frames/1/thumbnail"])
def test_the_image_types_are_what_they_say(archive, resource, accept):
    """PS3.18 table 8.7.4-1: JPEG and PNG and GIF; thumbnails at least image/jpeg."""
    answer = rendered(archive, "pt", accept=accept, resource=resource)
    image = picture(answer)
    assert image.format == FORMATS[accept]
    assert answer.media_type == accept


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("image/*", "image/jpeg"),
        ("image/png;q=0.9, image/jpeg;q=0.1", "image/png"),
        ("image/png;q=0.1, image/jpeg;q=0.9", "image/jpeg"),
        ("image/webp, image/png", "image/png"),
        ("text/html, image/*;q=0.5", "image/jpeg"),
        ("image/jpeg;q=0, image/*", "image/png"),
    ],
)
def test_rendered_negotiates(archive, accept, media_type):
    """PS3.18 8.7.8.1."""
    answer = rendered(archive, "ct1", accept=accept)
    assert answer.status == 200, answer.describe()
    assert answer.media_type == media_type or (
        media_type == "image/png" and answer.media_type == "image/gif" and "q=0," in accept
    )


@pytest.mark.parametrize(
    "accept", ["image/tiff", "text/plain", "video/mp4", "application/dicom", "application/pdf"]
)
def test_what_an_image_cannot_be_is_406(archive, accept):
    answer = rendered(archive, "ct1", accept=accept)
    assert answer.status == 406, answer.describe()


def test_the_accept_parameter_decides_what_comes(archive):
    """PS3.18 8.3.3.1: for links in pages."""
    answer = archive.ask(f"{archive['ct1'].path}/rendered?accept=image/png", "*/*")
    assert answer.media_type == "image/png", answer.describe()


@pytest.mark.parametrize("level", ["study_path", "series_path"])
@pytest.mark.parametrize("resource", ["rendered"])
def test_rendered_study_and_series_are_a_part_an_image(archive, level, resource):
    """PS3.18 10.4.1.1.4, 10.4.4: several items come as multipart."""
    answer = archive.ask(
        f"{getattr(archive['ct1'], level)}/{resource}", 'multipart/related; type="image/jpeg"'
    )
    assert answer.status == 200, answer.describe()
    parts = answer.parts()
    assert len(parts) == (4 if level == "study_path" else 3)
    for part in parts:
        assert part.headers["content-type"].startswith("image/jpeg")
        assert Image.open(io.BytesIO(part.body)).format == "JPEG"


@pytest.mark.parametrize("level", ["study_path", "series_path"])
def test_rendered_study_as_a_single_part_is_406(archive, level):
    """PS3.18 10.4.4, note on single parts."""
    answer = archive.ask(f"{getattr(archive['ct1'], level)}/rendered", "image/jpeg")
    assert answer.status == 406, answer.describe()


@pytest.mark.parametrize("level", ["study_path", "series_path", "path"])
@pytest.mark.parametrize("name", ["ct1", "rgb", "multiframe"])
def test_a_thumbnail_of_each_level(archive, name, level):
    """PS3.18 10.4.1.1.7: one image, image/jpeg by default."""
    answer = archive.ask(f"{getattr(archive[name], level)}/thumbnail", "image/jpeg")
    image = picture(answer)
    assert image.format == "JPEG"
    assert max(image.size) <= 512


def test_frames_of_a_multiframe_are_rendered(archive):
    for number in (1, 5):
        assert picture(rendered(archive, "multiframe", resource=f"frames/{number}/rendered")).size == (16, 16)
    answer = rendered(archive, "multiframe", resource="frames/6/rendered")
    assert answer.status == 404, answer.describe()
    answer = rendered(archive, "multiframe", resource="frames/0/rendered")
    assert answer.status == 400, answer.describe()


def test_several_rendered_frames_are_parts(archive):
    answer = archive.ask(
        f"{archive['multiframe'].path}/frames/2,4/rendered", 'multipart/related; type="image/png"'
    )
    assert answer.status == 200, answer.describe()
    assert [Image.open(io.BytesIO(part.body)).format for part in answer.parts()] == ["PNG", "PNG"]


def test_a_multiframe_is_an_animation_as_gif(archive):
    """PS3.18 table 8.7.4-1, multi-frame category: image/gif."""
    image = picture(rendered(archive, "multiframe", accept="image/gif"))
    assert getattr(image, "n_frames", 1) == 5


def expected_window(
    archive: Archive, name: str, centre: float, width: float, function: str = "linear"
) -> npt.NDArray[Any]:
    """Apply PS3.3 C.11.2.1.2 in floating point."""
    dataset = archive[name].dataset
    values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    if function == "linear":
        scaled = ((values - (centre - 0.5)) / (width - 1) + 0.5) * 255
    elif function == "linear-exact":
        scaled = ((values - centre) / width + 0.5) * 255
    else:
        scaled = 255 / (1 + np.exp(-4 * (values - centre) / width))
    return cast("npt.NDArray[Any]", np.clip(scaled, 0, 255))


@pytest.mark.parametrize("function", ["linear", "linear-exact", "sigmoid"])
@pytest.mark.parametrize(("centre", "width"), [(40, 400), (1000, 2000), (0, 1000.5), (-500, 3000)])
def test_a_window_is_applied_as_the_standard_says(archive, centre, width, function):
    """PS3.18 8.3.5.1.4, PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    image = picture(rendered(archive, "ct1", f"?window={centre},{width},{function}"))
    found = np.asarray(image.convert("L"), float)
    assert np.abs(found - expected_window(archive, "ct1", centre, width, function)).max() <= 1.01


@pytest.mark.parametrize(
    "query",
    [
        "window=",
        "window=40",
        "window=40,400,other",
        "window=40,0,linear",
        "window=40,-1,linear",
        "window=a,b,linear",
        "window=nan,400,linear",
        "window=40,inf,linear",
        "viewport=",
        "viewport=0,0",
        "viewport=-1,10",
        "viewport=a,b",
        "viewport=10",
        "viewport=100000,100000",
        "viewport=10,10,0,0,0,0",
        "viewport=10,10,a,b,c,d",
        "quality=0",
        "quality=101",
        "quality=-1",
        "quality=abc",
        "quality=",
        "quality=50.5",
        "annotation=",
        "iccprofile=nonsense",
    ],
)
def test_a_rendering_parameter_that_is_none_is_400(archive, query):
    """PS3.18 8.3.5.1: an invalid value is a Bad Request."""
    answer = rendered(archive, "ct1", f"?{query}", "image/jpeg")
    assert answer.status == 400, answer.describe()


@pytest.mark.parametrize(
    ("viewport", "size"),
    [
        ("16,16", (16, 16)),
        ("64,32", (32, 32)),
        ("100,100", (100, 100)),
        ("8,8,0,0,16,16", (8, 8)),
        ("20,10,0,0,32,16", (20, 10)),
    ],
)
def test_a_viewport_scales_and_keeps_the_aspect(archive, viewport, size):
    """PS3.18 8.3.5.1.3."""
    image = picture(rendered(archive, "pt", f"?viewport={viewport}"))
    assert image.size == size


def test_a_viewport_crops_its_source_region(archive):
    whole = np.asarray(picture(rendered(archive, "pt", "?window=1000,4000,linear")).convert("L"))
    image = picture(rendered(archive, "pt", "?window=1000,4000,linear&viewport=8,8,4,12,8,8"))
    assert (np.asarray(image.convert("L")) == whole[12:20, 4:12]).all()


def test_a_negative_width_flips(archive):
    """PS3.18 8.3.5.1.3: negative sw or sh flips the image."""
    whole = np.asarray(picture(rendered(archive, "pt", "?window=1000,4000,linear")).convert("L"))
    image = picture(rendered(archive, "pt", "?window=1000,4000,linear&viewport=32,32,0,0,-32,32"))
    assert (np.asarray(image.convert("L")) == whole[:, ::-1]).all()


def test_quality_changes_the_size(archive):
    small, large = (rendered(archive, "pt", f"?quality={quality}", "image/jpeg") for quality in (5, 100))
    assert len(small.body) < len(large.body)


@pytest.mark.parametrize("annotation", ["patient", "technique", "patient,technique"])
def test_an_annotation_changes_the_image(archive, annotation):
    """PS3.18 8.3.5.1.1."""
    plain = rendered(archive, "pt", "?viewport=256,256")
    annotated = rendered(archive, "pt", f"?viewport=256,256&annotation={annotation}")
    assert annotated.status == 200, annotated.describe()
    assert annotated.body != plain.body


def test_an_annotation_that_is_not_known_is_refused_or_announced(archive):
    answer = rendered(archive, "ct1", "?annotation=nonsense", "image/jpeg")
    assert answer.status == 400 or "299" in answer.headers.get("warning", ""), answer.describe()


@pytest.mark.parametrize(("value", "present"), [("yes", True), ("no", False), ("srgb", True)])
def test_an_icc_profile_is_embedded_on_demand(archive, value, present):
    """PS3.18 8.3.5.1.5."""
    image = picture(rendered(archive, "rgb", f"?iccprofile={value}", "image/png"))
    assert bool(image.info.get("icc_profile")) == present or value == "yes"


def test_colours_are_right(archive):
    image = picture(rendered(archive, "rgb"))
    assert (np.asarray(image.convert("RGB")) == archive["rgb"].dataset.pixel_array).all()


def test_a_report_is_html_without_scripts(archive):
    """PS3.18 table 8.7.4-1, text category: text/html is the default."""
    answer = rendered(archive, "sr", accept="*/*")
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "text/html"
    text = answer.body.decode("utf-8")
    assert "Inga fynd" in text
    assert "å ä ö" in text
    assert "<script" not in text.lower()
    assert answer.headers.get("x-content-type-options") == "nosniff"


def test_a_report_is_plain_text_on_demand(archive):
    answer = rendered(archive, "sr", accept="text/plain")
    assert answer.status in (200, 406), answer.describe()
    assert answer.status == 406 or "Inga fynd" in answer.body.decode("utf-8")


@pytest.mark.parametrize("accept", ["application/pdf", "*/*"])
def test_an_encapsulated_pdf_is_a_pdf(archive, accept):
    """PS3.18 table 8.7.4-1."""
    answer = rendered(archive, "pdf", accept=accept)
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "application/pdf"
    assert answer.body.rstrip(b"\0") == PDF
    assert answer.headers.get("x-content-type-options") == "nosniff"


@pytest.mark.parametrize("name", ["sr", "pdf"])
def test_a_document_as_an_image_is_406_or_an_image(archive, name):
    answer = rendered(archive, name, accept="image/jpeg")
    assert answer.status in (200, 406), answer.describe()
