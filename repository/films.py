"""Pictures that run, as an MP4 file: AV1 in fragments, encoded group by group in a guarded process.

Why AV1 and none of the older kinds: docs/adr/0012-films-in-av1.md.

Standard: PS3.18 8.7.4
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice
from typing import Final

import numpy as np
import numpy.typing as npt

from repository import guarded_codecs
from repository.mp4 import TIMESCALE, Film, write_group, write_head

Picture = npt.NDArray[np.uint8]

MP4: Final = "video/mp4"
MAX_PIXELS: Final = 1 << 31
"""Of all frames of a film: some two minutes of CPU."""
MAX_SIDE: Final = 8192

_GROUP_FRAMES: Final = 32
_GROUP_BYTES: Final = 12 << 20


class FilmTooLarge(ValueError):
    """A film would take longer to make, or be larger, than any film may."""


class UnencodableFilm(ValueError):
    """The encoder failed at these pictures."""


def stream_film(
    pictures: Iterable[Picture], *, durations_s: Sequence[float], quality: int
) -> Iterator[bytes]:
    """Yield an MP4 file of pictures, a group of them in memory at a time.

    Parameters
    ----------
    pictures
        Grey (rows, columns) or RGB (rows, columns, 3), as many as there are durations. The first one decides
        about the size: the others are cut, or filled up with black.
    quality
        1 to 100.

    Raises
    ------
    FilmTooLarge
        More than `MAX_PIXELS`, or a side longer than `MAX_SIDE`; before anything is yielded.
    UnencodableFilm
        The encoder failed.
    guarded_codecs.CodecsBusy
        No process was free in time.
    """
    remaining = iter(pictures)
    first = next(remaining)
    rows, columns = first.shape[:2]
    _check_size(rows, columns, len(durations_s))
    ends = [round(end * TIMESCALE) for end in accumulate(durations_s, initial=0.0)]
    size = max(1, min(_GROUP_FRAMES, _GROUP_BYTES // (3 * rows * columns)))
    every = chain([first], remaining)
    configuration: bytes | None = None
    at = 0
    while group := list(islice(every, size)):
        found, frames = _encode([_fit(picture, rows, columns) for picture in group], quality)
        if configuration is None:
            configuration = found
            yield write_head(Film(columns, rows, ends[-1], configuration))
        elif configuration != found:
            raise UnencodableFilm("the encoder changed its mind in the middle of a film")
        ticks = [ends[at + index + 1] - ends[at + index] for index in range(len(frames))]
        yield write_group(at // size + 1, ends[at], frames, ticks)
        at += len(frames)


def _check_size(rows: int, columns: int, count: int) -> None:
    if max(rows, columns) > MAX_SIDE:
        raise FilmTooLarge(
            f"a film of {columns} x {rows} pixels is too large, at most {MAX_SIDE} a side: name a viewport"
        )
    if rows * columns * count > MAX_PIXELS:
        raise FilmTooLarge(
            f"a film of {count} frames of {columns} x {rows} pixels is too long: name fewer frames, or a viewport"
        )


def _fit(picture: Picture, rows: int, columns: int) -> Picture:
    colours = picture if picture.ndim == 3 else np.broadcast_to(picture[:, :, None], (*picture.shape, 3))
    if colours.shape[:2] == (rows, columns):
        return colours
    fitted = np.zeros((rows, columns, 3), np.uint8)
    part = colours[:rows, :columns]
    fitted[: part.shape[0], : part.shape[1]] = part
    return fitted


def _encode(pictures: list[Picture], quality: int) -> tuple[bytes, tuple[bytes, ...]]:
    try:
        return guarded_codecs.run_film_codec(np.stack(pictures), quality)
    except (guarded_codecs.RefusedFrame, guarded_codecs.LostCodec) as error:
        raise UnencodableFilm(f"no film could be made of the frames: {error}") from error
