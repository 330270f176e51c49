"""Pictures come back out of Pillow as they went in: JPEG, PNG and GIF, still and moving, with their profiles."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from repository.colour_profiles import convert_to, well_known
from repository.picture_encoding import GIF, JPEG, PNG, encode_picture, stream_gif
from repository.rendering_parameters import InvalidRenderingParameter

GREY = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[:, ::-1], 255 - GREY], axis=-1)


def read(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(("media_type", "tolerance"), [(JPEG, 8), (PNG, 0), (GIF, 0)])
def test_grey_stays_grey(media_type, tolerance):
    image = read(encode_picture(GREY, media_type, quality=100))
    assert image.get_format_mimetype() == media_type
    assert np.abs(np.asarray(image.convert("L")).astype(int) - GREY).max() <= tolerance


@pytest.mark.parametrize(("media_type", "tolerance"), [(JPEG, 30), (PNG, 0), (GIF, 40)])
def test_colours_stay_colours(media_type, tolerance):
    image = read(encode_picture(COLOUR, media_type, quality=100))
    assert np.abs(np.asarray(image.convert("RGB")).astype(int) - COLOUR).max() <= tolerance


@pytest.mark.parametrize("media_type", [JPEG, PNG])
@pytest.mark.parametrize("wanted", ["yes", "srgb", "adobergb", "rommrgb"])
@pytest.mark.parametrize("picture", [GREY, COLOUR], ids=["grey", "colour"])
def test_profiles_are_embedded_where_a_reader_finds_them(media_type, wanted, picture):
    converted, profile = convert_to(picture, wanted, None)
    image = read(encode_picture(converted, media_type, quality=90, profile=profile))
    assert image.mode == "RGB"
    assert image.info["icc_profile"] == profile
    assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space == "RGB "


def test_a_profile_of_many_pieces_is_joined_again():
    profile = well_known("srgb") + bytes(150_000)
    image = read(encode_picture(COLOUR, JPEG, quality=90, profile=profile))
    assert image.info["icc_profile"] == profile


def test_no_profile_means_none():
    converted, profile = convert_to(COLOUR, "no", well_known("adobergb"))
    assert (converted is COLOUR, profile) == (True, None)
    assert "icc_profile" not in read(encode_picture(COLOUR, PNG, quality=90)).info


def test_the_source_profile_is_kept_or_converted_from():
    same, profile = convert_to(COLOUR, "yes", well_known("adobergb"))
    assert profile == well_known("adobergb")
    assert np.array_equal(same, COLOUR)
    changed, profile = convert_to(COLOUR, "srgb", well_known("adobergb"))
    assert profile == well_known("srgb")
    assert not np.array_equal(changed, COLOUR)


def test_well_known_colours_are_where_the_standards_say():
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    adobe, _ = convert_to(primaries, "adobergb", None)
    assert (
        np.abs(adobe.astype(int) - [[[219, 0, 0], [144, 255, 60], [0, 0, 250], [255, 255, 255]]]).max() <= 2
    )
    romm, _ = convert_to(primaries, "rommrgb", None)
    assert (
        np.abs(romm.astype(int) - [[[179, 70, 26], [138, 237, 78], [86, 35, 235], [255, 255, 255]]]).max()
        <= 3
    )


@pytest.mark.parametrize("profile", [b"", b"nonsense" * 40, well_known("srgb")[:200], bytes(5 << 20)])
def test_a_broken_source_profile_counts_as_none(profile):
    assert convert_to(COLOUR, "yes", profile)[1] == well_known("srgb")


def test_a_gif_moves_with_the_delay_asked_for():
    pictures = [GREY, 255 - GREY, GREY // 2]
    image = read(b"".join(stream_gif(pictures, delay_s=0.1)))
    assert (image.n_frames, image.info["duration"], image.info["loop"]) == (3, 100, 0)
    for index, picture in enumerate(pictures):
        image.seek(index)
        assert np.array_equal(np.asarray(image.convert("L")), picture)


def test_what_cannot_be_made_is_said():
    with pytest.raises(InvalidRenderingParameter, match="holds no ICC profile"):
        encode_picture(COLOUR, GIF, quality=90, profile=well_known("srgb"))
    with pytest.raises(InvalidRenderingParameter, match="not as 'image/webp'"):
        encode_picture(COLOUR, "image/webp", quality=90)
