"""A rendered picture shows what the standard's pipeline says: the levels are computed again here, pixel by pixel."""

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import (
    apply_color_lut,
    apply_modality_lut,
    apply_voi,
    apply_windowing,
    convert_color_space,
)
from pydicom.sequence import Sequence

from repository.colour import convert_ybr_to_rgb
from repository.decode import UndecodableFrame, decode_frame
from repository.lookup_table import expand_segments
from repository.pixels import InvalidImageDescription, NotAnImage
from repository.render import (
    InvalidRenderingParameter,
    Viewport,
    Window,
    parse_viewport,
    parse_window,
    render_frame,
    render_thumbnail,
)
from tests.support.pixel_files import (
    SHARED_FILES,
    describe,
    list_packaged_files,
    make_image,
    make_phantom,
    read_attributes,
    read_frame,
)

Picture = npt.NDArray[Any]


def render(dataset: FileDataset, frame_index: int = 0, **options: Any) -> Picture:
    """Render as PNG, which loses nothing, and return the levels."""
    description = describe(dataset)
    frame = decode_frame(read_frame(dataset, description, frame_index), description)
    data = render_frame(
        frame,
        description,
        read_attributes(dataset),
        frame_index=frame_index,
        media_type="image/png",
        read_bulk=lambda path: read_bulk_value(dataset, path),
        **options,
    )
    return np.asarray(Image.open(io.BytesIO(data), formats=["PNG"]))


def read_bulk_value(dataset: Dataset, path: str) -> bytes:
    *steps, last = path.split("/")
    for tag, item in zip(steps[::2], steps[1::2], strict=True):
        dataset = dataset[int(tag, 16)].value[int(item)]
    value = dataset[int(last, 16)].value
    assert isinstance(value, bytes)
    return value


def make_ct(**attributes: Any) -> FileDataset:
    defaults = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 40, "WindowWidth": 400}
    return make_image(make_phantom(40, 60, "i2", -200, 2000)[None], **(defaults | attributes))


def make_lookup_table(first: int, entries: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US" if first >= 0 else "SS", [len(entries), first, bits])
    item.add_new(0x00283006, "OW", struct.pack(f"<{len(entries)}H", *entries))
    return item


def assert_close(levels: Picture, expected: Picture, tolerance: float = 1) -> None:
    assert levels.shape == expected.shape
    assert np.abs(levels.astype(float) - expected).max() <= tolerance


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("width", [1, 2, 400, 3000.5])
def test_windows_give_the_levels_that_pydicom_computes(function: str, width: float) -> None:
    dataset = make_ct(WindowWidth=width, VOILUTFunction=function)
    values = apply_modality_lut(make_phantom(40, 60, "i2", -200, 2000), dataset)
    # pydicom scales to the range of the modality values; ours are levels of 0 to 255.
    expected = apply_windowing(values, dataset)
    low, high = -(2**15) * 2 - 1024, (2**15 - 1) * 2 - 1024
    assert_close(render(dataset), (expected - low) / (high - low) * 255)


def test_a_window_of_the_client_replaces_that_of_the_instance() -> None:
    wide = render(make_ct(WindowCenter=300, WindowWidth=900))
    assert np.array_equal(render(make_ct(), window=parse_window("300,900,linear")), wide)


def test_the_first_usable_window_of_several_is_taken() -> None:
    dataset = make_ct(WindowCenter=[1, 300, 40], WindowWidth=[0, 900, 400])
    assert np.array_equal(render(dataset), render(make_ct(WindowCenter=300, WindowWidth=900)))


def test_without_a_window_the_range_of_the_values_is_shown() -> None:
    dataset = make_ct()
    del dataset.WindowCenter
    levels = render(dataset)
    assert (levels.min(), levels.max()) == (0, 255)
    frame = make_phantom(40, 60, "i2", -200, 2000).astype(float)
    assert_close(levels, (frame - frame.min()) / (frame.max() - frame.min()) * 255)


def test_padding_is_black_and_does_not_stretch_the_range() -> None:
    frame = make_phantom(40, 60, "i2", -200, 2000)
    frame[:5] = -2000
    frame[5:8] = -1990
    dataset = make_image(frame[None], PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990)
    levels = render(dataset)
    assert levels[:8].max() == 0
    shown = frame[8:].astype(float)
    assert_close(levels[8:], (shown - shown.min()) / (shown.max() - shown.min()) * 255)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert render(dataset)[:8].max() == 0


def test_a_frame_of_nothing_but_padding_is_black() -> None:
    dataset = make_image(np.full((1, 4, 4), -2000, "i2"), PixelPaddingValue=-2000)
    assert render(dataset).max() == 0


@pytest.mark.parametrize(
    "attributes", [{"PhotometricInterpretation": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}]
)
def test_inverse_pictures_are_turned_once(attributes: dict[str, str]) -> None:
    plain = render(make_ct())
    assert np.array_equal(render(make_ct(**attributes)), 255 - plain)
    both = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}
    assert np.array_equal(render(make_ct(**both)), 255 - plain)


def test_modality_and_voi_tables_are_applied_in_order() -> None:
    frame = make_phantom(30, 30, "u1", 0, 99)
    dataset = make_image(frame[None])
    dataset.ModalityLUTSequence = Sequence([make_lookup_table(0, [v * 40 for v in range(100)], 16)])
    dataset.VOILUTSequence = Sequence([make_lookup_table(0, [v * v // 4096 for v in range(4000)], 12)])
    expected = apply_voi(apply_modality_lut(frame, dataset), dataset).astype(float) / 4095 * 255
    assert_close(render(dataset), expected)


def test_a_voi_table_may_begin_below_zero() -> None:
    frame = make_phantom(30, 30, "i2", -50, 49)
    dataset = make_image(frame[None])
    dataset.VOILUTSequence = Sequence([make_lookup_table(-50, list(range(0, 256, 2)), 8)])
    assert_close(render(dataset), (frame.astype(float) + 50) * 2)


def test_every_frame_of_an_enhanced_object_has_its_own_transformation() -> None:
    frames = np.stack([make_phantom(20, 20, "u2", 0, 1000)] * 3)
    dataset = make_image(frames)
    shared, items = Dataset(), []
    shared.PixelMeasuresSequence = Sequence([Dataset()])
    shared.PixelMeasuresSequence[0].PixelSpacing = [2, 1]
    for slope, center in ((1, 500), (2, 500), (1, 100)):
        item, rescale, window = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, 0
        window.WindowCenter, window.WindowWidth = center, 1000
        item.PixelValueTransformationSequence = Sequence([rescale])
        item.FrameVOILUTSequence = Sequence([window])
        items.append(item)
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(items)
    pictures = [render(dataset, frame_index) for frame_index in range(3)]
    assert [picture.shape for picture in pictures] == [(20, 20)] * 3
    square = make_image(frames[:1], RescaleSlope=2, RescaleIntercept=0, WindowCenter=500, WindowWidth=1000)
    assert_close(render(square), pictures[1], 0)
    assert pictures[1].mean() > pictures[0].mean() + 20
    assert pictures[2].mean() > pictures[0].mean() + 20


@pytest.mark.parametrize("dtype", ["u4", "i4"])
def test_values_of_32_bits_are_shown(dtype: str) -> None:
    dataset = make_image(make_phantom(20, 20, dtype, 100, 2_000_000_000)[None])
    frame = make_phantom(20, 20, dtype, 100, 2_000_000_000).astype(float)
    assert_close(render(dataset), (frame - frame.min()) / (frame.max() - frame.min()) * 255)


def test_float_values_are_shown_and_nothing_is_black() -> None:
    frame = make_phantom(20, 20, "u2", 0, 1000).astype("f4")
    frame[0, 0] = np.nan
    dataset = make_image(np.zeros((1, 20, 20), "u2"))
    del dataset.PixelData
    dataset.FloatPixelData, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (
        frame.tobytes(),
        32,
        32,
        31,
    )
    levels = render(dataset)
    assert levels[0, 0] == 0
    assert (levels.min(), levels.max()) == (0, 255)


def test_palettes_of_8_and_16_bits_give_the_colours_of_pydicom() -> None:
    path = next(path for path in list_packaged_files() if path.name == "examples_palette.dcm")
    dataset = pydicom.dcmread(path)
    description = describe(dataset)
    frame = decode_frame(read_frame(dataset, description), description)
    expected = apply_color_lut(frame, dataset) / 257
    measures = render(dataset, viewport=Viewport(description.columns, description.rows))
    assert_close(measures, expected)


def test_segmented_palettes_are_expanded() -> None:
    words = [0, 3, 10, 20, 30, 1, 2, 50, 2, 1, 0, 0, 0, 1, 7]
    assert expand_segments(np.array(words), 9).tolist() == [10, 20, 30, 40, 50, 10, 20, 30, 7]
    with pytest.raises(InvalidImageDescription, match="segment type 9"):
        expand_segments(np.array([9, 1, 0]), 4)
    with pytest.raises(InvalidImageDescription, match="segment type 2"):
        expand_segments(np.array([2, 1, 0, 0]), 4)
    with pytest.raises(InvalidImageDescription, match="more than"):
        expand_segments(np.array([0, 0] * 5000 + [2, 5000, 0, 0] * 5000), 4)


def test_a_segmented_palette_colours_an_image() -> None:
    frame = np.arange(4, dtype="u1").reshape(1, 2, 2)
    dataset = make_image(frame, PhotometricInterpretation="PALETTE COLOR")
    for channel, end in (("Red", 255), ("Green", 0), ("Blue", 51)):
        setattr(dataset, f"{channel}PaletteColorLookupTableDescriptor", [4, 0, 16])
        words = struct.pack("<6H", 0, 1, 0, 1, 3, end)
        setattr(dataset, f"Segmented{channel}PaletteColorLookupTableData", words)
    assert render(dataset).reshape(4, 3).tolist() == [[0, 0, 0], [85, 0, 17], [170, 0, 34], [255, 0, 51]]


def test_a_palette_cut_short_is_named() -> None:
    dataset = make_image(np.zeros((1, 2, 2), "u1"), PhotometricInterpretation="PALETTE COLOR")
    for channel in ("Red", "Green", "Blue"):
        setattr(dataset, f"{channel}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{channel}PaletteColorLookupTableData", b"\0" * 100)
    with pytest.raises(InvalidImageDescription, match="has 50 entries, its descriptor says 256"):
        render(dataset)


def test_ybr_becomes_the_rgb_of_pydicom() -> None:
    values = np.stack(np.meshgrid(*[np.arange(0, 256, 15, dtype="u1")] * 3), axis=-1).reshape(
        1, 18 * 18, 18, 3
    )
    expected = convert_color_space(values[0], "YBR_FULL", "RGB")
    assert_close(convert_ybr_to_rgb(values[0]), expected)
    dataset = make_image(values, PhotometricInterpretation="YBR_FULL")
    assert_close(render(dataset), expected)


def test_partial_ranges_are_stretched() -> None:
    white_black = np.array([[[235, 128, 128], [16, 128, 128]]], "u1")
    assert convert_ybr_to_rgb(white_black, is_partial=True).tolist() == [[[255] * 3, [0] * 3]]


def test_colours_of_16_bits_keep_their_upper_bits() -> None:
    frame = np.stack([make_phantom(8, 8, "u2", 0, top) for top in (65535, 30000, 256)], axis=-1)
    assert np.array_equal(render(make_image(frame[None])), (frame >> 8).astype("u1"))


def test_unknown_colours_are_named() -> None:
    dataset = make_image(np.zeros((1, 4, 4, 3), "u1"), PhotometricInterpretation="HSV")
    with pytest.raises(InvalidImageDescription, match="HSV"):
        render(dataset)


def test_a_viewport_of_the_longer_side_leaves_square_pixels_as_they_are() -> None:
    dataset = make_ct(PixelSpacing=[0.7, 0.7])
    assert np.array_equal(render(dataset, viewport=Viewport(60, 60)), render(dataset))


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({}, (40, 60)),
        ({"PixelSpacing": [0.5, 0.5]}, (40, 60)),
        ({"PixelSpacing": [1, 0.5]}, (80, 60)),
        ({"PixelSpacing": [0.5, 1]}, (40, 120)),
        ({"ImagerPixelSpacing": [1, 0.5]}, (80, 60)),
        ({"PixelAspectRatio": [2, 1]}, (80, 60)),
        ({"PixelAspectRatio": [1, 1000]}, (40, 60)),
        ({"PixelSpacing": [0, 0]}, (40, 60)),
    ],
)
def test_pixels_become_square_in_a_viewport_only(attributes: dict[str, Any], shape: tuple[int, int]) -> None:
    dataset = make_ct(**attributes)
    assert render(dataset).shape == (40, 60)
    assert render(dataset, viewport=Viewport(shape[1], shape[0])).shape == shape
    # The longer side decides: a pixel that is twice as high is shown twice as high.
    height, width = render(dataset, viewport=Viewport(600, 600)).shape
    assert width / height == pytest.approx(shape[1] / shape[0], rel=0.01)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("30,30", (20, 30)),
        ("120,4000", (80, 120)),
        ("4096,10", (10, 15)),
        ("1,1", (1, 1)),
        ("60,60,0,0,30,30", (60, 60)),
        ("60,60,10,5,20,10", (30, 60)),
        ("60,60,30,0,,", (60, 45)),
    ],
)
def test_pictures_fill_the_viewport_in_one_direction(text: str, shape: tuple[int, int]) -> None:
    assert render(make_ct(), viewport=parse_viewport(text)).shape == shape


def test_a_region_is_cut_out_and_turned() -> None:
    whole = render(make_ct())
    region = whole[5:15, 10:40]
    assert np.array_equal(render(make_ct(), viewport=parse_viewport("30,10,10,5,30,10")), region)
    assert np.array_equal(render(make_ct(), viewport=parse_viewport("30,10,10,5,-30,10")), region[:, ::-1])
    assert np.array_equal(render(make_ct(), viewport=parse_viewport("30,10,10,5,30,-10")), region[::-1])


@pytest.mark.parametrize("text", ["10,10,60,0,,", "10,10,0,0,61,10", "10,10,0,30,10,11"])
def test_a_region_outside_the_image_is_refused(text: str) -> None:
    with pytest.raises(InvalidRenderingParameter, match="not inside the image of 60 x 40"):
        render(make_ct(), viewport=parse_viewport(text))


def test_jpeg_is_grey_for_grey_and_obeys_quality() -> None:
    dataset = make_ct()
    description = describe(dataset)
    frame = decode_frame(read_frame(dataset, description), description)
    attributes = read_attributes(dataset)
    good, poor = (render_frame(frame, description, attributes, quality=quality) for quality in (95, 10))
    assert len(poor) < len(good) / 2
    picture = Image.open(io.BytesIO(good), formats=["JPEG"])
    assert picture.mode == "L"
    assert np.abs(np.asarray(picture).astype(int) - render(dataset)).mean() < 3


def test_jpeg_keeps_colours() -> None:
    frame = np.zeros((16, 16, 3), "u1")
    frame[:8] = (200, 30, 60)
    dataset = make_image(frame[None])
    data = render_frame(frame, describe(dataset), read_attributes(dataset))
    assert_close(np.asarray(Image.open(io.BytesIO(data)))[:7], frame[:7], 6)


def test_other_media_types_are_refused() -> None:
    dataset = make_ct()
    with pytest.raises(InvalidRenderingParameter, match="image/jpeg, image/png, image/gif, not"):
        render_frame(
            make_phantom(40, 60, "i2", 0, 9),
            describe(dataset),
            read_attributes(dataset),
            media_type="image/webp",
        )


@pytest.mark.parametrize(
    ("size", "expected"), [(None, (60, 40)), (Viewport(30, 30), (30, 20)), (Viewport(120, 900), (120, 80))]
)
def test_thumbnails_fill_what_is_asked_and_else_stay_small(
    size: Viewport | None, expected: tuple[int, int]
) -> None:
    dataset = make_ct()
    description = describe(dataset)
    frame = decode_frame(read_frame(dataset, description), description)
    data = render_thumbnail(frame, description, read_attributes(dataset), size=size)
    assert Image.open(io.BytesIO(data), formats=["JPEG"]).size == expected


@pytest.mark.parametrize("path", list_packaged_files(), ids=lambda path: path.name)
def test_packaged_files_render_or_say_why_not(path: Any) -> None:
    assert_renders_or_refuses(path)


@pytest.mark.skipif(not SHARED_FILES.exists(), reason="the shared sample data is not here")
def test_shared_single_files_render_or_say_why_not() -> None:
    rendered = sum(
        assert_renders_or_refuses(path) for path in sorted((SHARED_FILES / "single").glob("*/*.dcm"))
    )
    assert rendered > 20


NAMED_ERRORS = (NotAnImage, InvalidImageDescription, UndecodableFrame)


def assert_renders_or_refuses(path: Any) -> bool:
    """Render the first frame to a thumbnail; whether there is a picture. Only named errors may end it."""
    dataset = pydicom.dcmread(path, force=True)
    if not dataset.file_meta.get("TransferSyntaxUID"):
        return False
    try:
        description = describe(dataset)
        frame = decode_frame(read_frame(dataset, description), description)
        data = render_thumbnail(
            frame, description, read_attributes(dataset), read_bulk=lambda tag: read_bulk_value(dataset, tag)
        )
    except NAMED_ERRORS:
        return False
    picture = Image.open(io.BytesIO(data), formats=["JPEG"])
    assert max(picture.size) <= 128
    return True


def test_a_window_on_colour_changes_nothing() -> None:
    dataset = make_image(make_phantom(8, 8, "u1", 0, 255)[None, :, :, None].repeat(3, axis=3))
    assert np.array_equal(render(dataset), render(dataset, window=Window(10, 20)))
