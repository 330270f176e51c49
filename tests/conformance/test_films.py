"""Frames as a film: what headless Chromium shows of it, frame by frame, against PS3.3 in floating point.

Standard: PS3.18 8.7.4, 10.4.1.1.3, PS3.3 C.11.2.1.2
"""

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.conformance.archive import Archive

pytestmark = [pytest.mark.server, pytest.mark.browser]

FRAME_S = 0.1  # nothing in the instance says how fast it runs
WINDOW = "window=1024,4096,linear"
PLAY = """async film => {
    const video = document.createElement('video');
    video.muted = true;
    const bytes = Uint8Array.from(atob(film), letter => letter.charCodeAt(0));
    video.src = URL.createObjectURL(new Blob([bytes], {type: 'video/mp4'}));
    await new Promise((good, bad) => {
        video.onloadeddata = good;
        video.onerror = () => bad(new Error(video.error.message));
    });
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const shown = [];
    for (const at of %s) {
        await new Promise(good => { video.onseeked = good; video.currentTime = at; });
        canvas.getContext('2d').drawImage(video, 0, 0);
        shown.push(canvas.toDataURL('image/png').split(',')[1]);
    }
    return {duration: video.duration, shown};
}"""


def play(page: Any, film: bytes, times: list[float]) -> tuple[float, list[npt.NDArray[Any]]]:
    """Return how long a film runs in a browser, and what is seen at some times."""
    page.set_content("<!doctype html><html lang=en><title>film</title></html>")
    found = page.evaluate(PLAY % times, base64.b64encode(film).decode())
    pictures = [Image.open(io.BytesIO(base64.b64decode(picture))) for picture in found["shown"]]
    return found["duration"], [np.asarray(picture.convert("RGB"), float) for picture in pictures]


def expected_levels(archive: Archive) -> npt.NDArray[Any]:
    dataset = archive["multiframe"].dataset
    values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    levels: npt.NDArray[Any] = np.clip(((values - 1023.5) / 4095 + 0.5) * 255, 0, 255)
    return levels


def test_a_browser_shows_every_frame_of_a_film_in_its_time(archive, page):
    answer = archive.ask(f"{archive['multiframe'].path}/rendered?{WINDOW}&quality=100", "video/mp4")
    assert answer.status == 200, answer.describe()
    assert answer.media_type == "video/mp4"
    expected = expected_levels(archive)
    # Later ones first: each frame is found without those before it having been played.
    order = [4, 0, 3, 1, 2]
    duration, shown = play(page, answer.body, [(index + 0.5) * FRAME_S for index in order])
    assert duration == pytest.approx(len(expected) * FRAME_S, abs=0.001)
    for index, picture in zip(order, shown, strict=True):
        assert picture.shape == (16, 16, 3)
        assert np.abs(picture - expected[index][:, :, None]).max() <= 2, index


def test_a_list_of_frames_is_a_film_in_its_order_and_size(archive, page):
    path = f"{archive['multiframe'].path}/frames/5,2/rendered?{WINDOW}&quality=100&viewport=64,48"
    answer = archive.ask(path, "video/*")
    assert answer.status == 200, answer.describe()
    still = archive.ask(path, 'multipart/related; type="image/png"')
    expected = [np.asarray(Image.open(io.BytesIO(part.body)).convert("RGB"), float) for part in still.parts()]
    duration, shown = play(page, answer.body, [0.5 * FRAME_S, 1.5 * FRAME_S])
    assert duration == pytest.approx(2 * FRAME_S, abs=0.001)
    for picture, frame in zip(shown, expected, strict=True):
        assert picture.shape == (48, 48, 3)
        assert np.abs(picture - frame).max() <= 2


def test_a_film_is_told_by_its_tag_and_served_by_ranges(archive):
    path = f"{archive['multiframe'].path}/rendered"
    first, second = archive.ask(path, "video/mp4"), archive.ask(path, "video/mp4")
    assert first.body == second.body
    assert first.headers["etag"] == second.headers["etag"]
    assert second.headers["accept-ranges"] == "bytes"
    part = archive.ask(path, "video/mp4", headers={"Range": "bytes=4-11"})
    assert (part.status, part.body) == (206, first.body[4:12])
    assert part.body == b"ftypisom"
    known = archive.ask(path, "video/mp4", headers={"If-None-Match": first.headers["etag"]})
    assert known.status == 304
