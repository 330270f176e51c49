"""Films: how long frames run, what is too much, what a failing encoder costs, what is kept of them.

What a film looks like is for a browser to say: `tests/conformance/test_films.py`.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from access.authentication import authenticate
from repository import films, guarded_codecs, rendition_cache
from repository.decode import RLE_LOSSLESS, decode_frame
from repository.dicomweb.rendered import retrieve_rendered
from repository.encode import encode_frame
from repository.films import FilmTooLarge, UnencodableFilm, stream_film
from repository.frame_times import find_frame_delay_s, find_frame_delays_s
from repository.guarded_codecs import CodecsBusy, stop_codecs
from repository.pixels import PixelDescription
from tests.support import dicom

GREY = [np.full((8, 6), 40 * number, np.uint8) for number in range(4)]
RATE, CINE, TIME, VECTOR = "00082144", "00180040", "00181063", "00181065"


def durations_of(film: bytes) -> list[int]:
    """Read the durations in the runs of a film, 8 bytes a frame behind 24 bytes of head."""
    durations: list[int] = []
    for run in film.split(b"trun")[1:]:
        [count] = struct.unpack_from(">I", run, 4)
        durations += [struct.unpack_from(">I", run, 16 + 8 * index)[0] for index in range(count)]
    return durations


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        ({RATE: [25], CINE: [10], TIME: [500]}, 0.04),
        ({CINE: [10], TIME: [500]}, 0.1),
        ({TIME: [500]}, 0.5),
        ({VECTOR: [0, 250]}, 0.25),
        ({RATE: [0]}, 0.1),
        ({RATE: [1e9]}, 0.001),
        ({TIME: [1e9]}, 60.0),
        ({}, 0.1),
    ],
)
def test_the_rate_for_display_comes_first(attributes, seconds):
    found = {tag: {"vr": "DS", "Value": value} for tag, value in attributes.items()}
    assert find_frame_delay_s(found) == pytest.approx(seconds)


def test_a_vector_of_times_gives_each_frame_its_own():
    vector = {VECTOR: {"vr": "DS", "Value": [0, 100, 300, 0]}}
    assert find_frame_delays_s(vector, (1, 2, 3)) == pytest.approx([0.1, 0.3, 0.3])
    assert find_frame_delays_s(vector, (2, 1, 9)) == pytest.approx([0.3, 0.1, 0.3])
    rate = {**vector, RATE: {"vr": "IS", "Value": [20]}}
    assert find_frame_delays_s(rate, (1, 2)) == pytest.approx([0.05, 0.05])


def test_times_do_not_drift_and_groups_join(monkeypatch):
    monkeypatch.setattr(films, "_GROUP_FRAMES", 3)
    pieces = list(stream_film(GREY, durations_s=[1 / 7] * 4, quality=90))
    assert len(pieces) == 3
    durations = durations_of(b"".join(pieces))
    assert len(durations) == 4
    assert sum(durations) == round(4 / 7 * 90_000)


def test_too_much_is_refused_before_it_is_encoded(monkeypatch):
    monkeypatch.setattr(films, "MAX_PIXELS", 8 * 6 * 4)
    assert b"".join(stream_film(GREY, durations_s=[0.1] * 4, quality=90))
    monkeypatch.setattr(guarded_codecs, "run_film_codec", lambda *_: pytest.fail("encoded"))
    with pytest.raises(FilmTooLarge, match="fewer frames"):
        next(stream_film(GREY, durations_s=[0.1] * 5, quality=90))
    monkeypatch.setattr(films, "MAX_SIDE", 7)
    with pytest.raises(FilmTooLarge, match="viewport"):
        next(stream_film(GREY, durations_s=[0.1], quality=90))


def test_frames_of_another_size_are_fitted_to_the_first():
    mixed = [GREY[1], np.zeros((20, 3, 3), np.uint8), GREY[2]]
    assert len(durations_of(b"".join(stream_film(mixed, durations_s=[0.1] * 3, quality=90)))) == 3


@pytest.fixture
def lost_codec(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run an encoder that never ends, with little CPU time."""
    stop_codecs()
    monkeypatch.setattr(guarded_codecs, "PROGRAM", "tests.support.hostile_codec")
    monkeypatch.setattr(guarded_codecs, "CPU_S", 0)
    yield
    stop_codecs()


@pytest.mark.usefixtures("lost_codec")
def test_an_encoder_that_does_not_end_is_stopped():
    with pytest.raises(UnencodableFilm, match="more CPU time"):
        next(stream_film(GREY, durations_s=[0.1] * 4, quality=90))


def test_one_film_is_encoded_at_a_time_and_frames_are_decoded_beside_it(monkeypatch):
    monkeypatch.setattr(guarded_codecs, "WAIT_S", 0.1)
    with guarded_codecs._FILM_PLACE:
        with pytest.raises(CodecsBusy, match="films"):
            next(stream_film(GREY, durations_s=[0.1] * 4, quality=90))
        samples = np.arange(48, dtype=np.uint8).reshape(8, 6)
        description = PixelDescription(8, 6, 1, 8, 8, 7, 0, "MONOCHROME2", 0, 1, "1.2.840.10008.1.2.1")
        encoded = encode_frame(samples, description, "MONOCHROME2", RLE_LOSSLESS)
        compressed = replace(description, transfer_syntax_uid=RLE_LOSSLESS)
        assert np.array_equal(decode_frame(encoded, compressed), samples)
    assert next(stream_film(GREY, durations_s=[0.1] * 4, quality=90))


@pytest.fixture
def film(vendor, settings, tmp_path) -> str:
    """The address of an image of four frames, five a second."""
    settings.SPOOL_ROOT = tmp_path / "spool"
    change = Dataset()
    change.FrameTime = 200
    file = dicom.make_ct(number_of_frames=4, change=change)
    vendor.store(file)
    known = dcmread(io.BytesIO(file), stop_before_pixels=True)
    study = f"/studies/{known.StudyInstanceUID}"
    return f"{study}/series/{known.SeriesInstanceUID}/instances/{known.SOPInstanceUID}"


def body_of(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.mark.django_db
def test_several_frames_are_a_film_on_demand(vendor, film):
    made = vendor.get(f"{film}/rendered", "video/mp4")
    assert (made.status_code, made["Content-Type"]) == (200, "video/mp4")
    whole = body_of(made)
    assert durations_of(whole) == [18_000] * 4
    kept = vendor.get(f"{film}/rendered", "video/mp4")
    assert kept["Content-Length"] == str(len(whole))
    assert body_of(kept) == whole
    assert durations_of(body_of(vendor.get(f"{film}/frames/4,2/rendered", "video/mp4"))) == [18_000] * 2
    assert vendor.get(f"{film}/frames/2/rendered", "video/mp4").status_code == 406
    assert vendor.get(f"{film}/rendered", "*/*")["Content-Type"] == "image/jpeg"
    assert len(body_of(vendor.get(f"{film}/rendered?quality=10&viewport=64,64", "video/mp4"))) < len(
        body_of(vendor.get(f"{film}/rendered?quality=100&viewport=64,64", "video/mp4"))
    )
    assert vendor.get(f"{film}/rendered?iccprofile=srgb", "video/mp4").status_code == 400
    several = vendor.get(f"{film}/rendered", 'multipart/related; type="video/mp4"')
    assert body_of(several).count(b"ftypisom") == 1


@pytest.mark.django_db
def test_the_uri_service_makes_films_too(vendor, film, client):
    _, _, study, _, series, _, instance = film.split("/")
    query = {"requestType": "WADO", "studyUID": study, "seriesUID": series, "objectUID": instance}
    answer = client.get("/wado", {**query, "contentType": "video/mp4"}, headers=vendor.headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "video/mp4")
    assert durations_of(body_of(answer)) == [18_000] * 4


@pytest.mark.django_db
def test_the_policy_of_a_film_lets_a_page_made_of_it_load_it_and_nothing_else(vendor, film, rf):
    """A browser makes a page of a film that a link leads to, under the policy of the answer; Chromium obeys it."""
    _, _, study, _, series, _, instance = film.split("/")
    request = rf.get(f"/dicom-web{film}/rendered", headers={**vendor.headers, "Accept": "video/mp4"})
    answer = retrieve_rendered(request, authenticate(request), study, series, instance)
    policy = answer["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "media-src 'self'" in policy
    assert not [rule for rule in policy if rule.startswith(("script-src", "style-src", "img-src"))]


@pytest.mark.django_db
def test_what_is_too_much_or_fails_is_an_answer(vendor, film, monkeypatch):
    monkeypatch.setattr(films, "MAX_PIXELS", 100)
    refused = vendor.get(f"{film}/rendered", "video/mp4")
    assert refused.status_code == 406
    assert b"too long" in refused.content


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "?annotation=patient"])
def test_films_with_letters_in_them_or_given_up_are_not_kept(vendor, film, settings, query):
    answer = vendor.get(f"{film}/rendered{query}", "video/mp4")
    pieces = iter(answer.streaming_content)
    next(pieces)
    answer.close()
    del pieces, answer
    assert not [path for path in settings.SPOOL_ROOT.rglob("*") if path.is_file()]
    if query:
        body_of(vendor.get(f"{film}/rendered{query}", "video/mp4"))
        assert not [path for path in settings.SPOOL_ROOT.rglob("*") if path.is_file()]


def test_a_stream_is_kept_when_it_is_whole_and_small_enough(settings, tmp_path):
    settings.SPOOL_ROOT, settings.RENDITION_CACHE_BYTES = tmp_path, 1600
    key = rendition_cache.make_key(bytes(32), "film")
    assert list(rendition_cache.keep_stream(key, iter([b"ab", b"c"]))) == [b"ab", b"c"]
    assert rendition_cache.find(key) == b"abc"
    large = rendition_cache.make_key(bytes(32), "large")
    assert b"".join(rendition_cache.keep_stream(large, iter([b"x" * 60, b"y" * 60]))) == b"x" * 60 + b"y" * 60
    assert rendition_cache.find(large) is None
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
