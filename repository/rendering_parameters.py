"""What a client may ask of a rendered picture, read from the text of its query parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LINEAR: Final = "LINEAR"
LINEAR_EXACT: Final = "LINEAR_EXACT"
SIGMOID: Final = "SIGMOID"

MAX_VIEWPORT_SIDE: Final = 4096
MAX_THUMBNAIL_SIDE: Final = 1024
DEFAULT_QUALITY: Final = 90

ICC_PROFILES: Final = ("no", "yes", "srgb", "adobergb", "rommrgb")
ANNOTATIONS: Final = ("patient", "technique")

_FUNCTIONS = {"linear": LINEAR, "linear-exact": LINEAR_EXACT, "sigmoid": SIGMOID}
_NUMBER = re.compile(r"[+-]?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})([eE][+-]?\d)?")
_WHOLE_NUMBER = re.compile(r"\d{1,9}")
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class InvalidRenderingParameter(ValueError):
    """A rendering parameter is not written as the standard says, or asks for what cannot be made."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which values are shown from black to white: centre and width in units after the modality transformation.

    Standard: PS3.3 C.11.2.1.2
    """

    center: float
    width: float
    function: str = LINEAR


@dataclass(frozen=True, slots=True)
class Viewport:
    """The largest size of the picture, and the region of the image that it shows, in pixels.

    A negative source width or height turns the region around (left to right, top to bottom); None means up to the edge.

    Standard: PS3.18 8.3.5.1.3
    """

    width: int
    height: int
    source_x: float = 0.0
    source_y: float = 0.0
    source_width: float | None = None
    source_height: float | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a picture to show, as fractions of its width and height: 0,0 is top left, 1,1 bottom right.

    Standard: PS3.18 9.5.1.2.5
    """

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Rendering:
    """All that decides how an image is shown, beside the image.

    Attributes
    ----------
    annotations
        Which of `ANNOTATIONS` is burned into the picture.
    unknown_annotations
        Keywords that were asked for and mean nothing here.
    region
        What is cut out before the viewport is filled.

    Standard: PS3.18 8.3.5.1
    """

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = DEFAULT_QUALITY
    icc_profile: str | None = None
    annotations: tuple[str, ...] = ()
    unknown_annotations: tuple[str, ...] = ()
    region: Region | None = None


def read_rendering(query: Mapping[str, Sequence[str]]) -> Rendering:
    """Read the parameters of a rendered resource; others than these are not looked at.

    Raises
    ------
    InvalidRenderingParameter
        One is given twice, or is not written as the standard says.

    Standard: PS3.18 8.3.5.1
    """
    window, viewport, quality, profile, annotation = (
        read_single(query, name) for name in ("window", "viewport", "quality", "iccprofile", "annotation")
    )
    known, unknown = parse_annotation(annotation) if annotation is not None else ((), ())
    return Rendering(
        parse_window(window) if window is not None else None,
        parse_viewport(viewport) if viewport is not None else None,
        parse_quality(quality) if quality is not None else DEFAULT_QUALITY,
        parse_icc_profile(profile) if profile is not None else None,
        known,
        unknown,
    )


def read_single(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    """Return the one value of a parameter, None if it is not there.

    Raises
    ------
    InvalidRenderingParameter
        There are several.
    """
    values = query.get(name) or ()
    if len(values) > 1:
        raise InvalidRenderingParameter(f"{name} is given {len(values)} times: give it once")
    return values[0] if values else None


def parse_window(text: str) -> Window:
    """Read `center,width,function` of a window parameter; all three must be there.

    Raises
    ------
    InvalidRenderingParameter
        A part is missing or no number, the width is too small, or the function is none of the three.

    Standard: PS3.18 8.3.5.1.4
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise InvalidRenderingParameter(
            f"window is centre,width,function (linear, linear-exact or sigmoid), not {text[:80]!r}"
        )
    function = _FUNCTIONS.get(parts[2].lower())
    if function is None:
        raise InvalidRenderingParameter(
            f"the window function is linear, linear-exact or sigmoid, not {parts[2][:40]!r}"
        )
    center = _parse_number(parts[0], "window centre")
    width = _parse_number(parts[1], "window width")
    if not is_valid_width(width, function):
        smallest = "at least 1" if function == LINEAR else "above 0"
        raise InvalidRenderingParameter(f"the window width must be {smallest}, not {parts[1]}")
    return Window(center, width, function)


def is_valid_width(width: float, function: str) -> bool:
    """Whether a window of that width can be applied: at least 1 where linear, above 0 otherwise.

    Standard: PS3.3 C.11.2.1.2.1, C.11.2.1.3.2
    """
    return width >= 1 if function == LINEAR else width > 0


def parse_viewport(text: str, *, max_side: int = MAX_VIEWPORT_SIDE) -> Viewport:
    """Read `vw,vh` and up to four of `sx,sy,sw,sh` of a viewport parameter; what is left empty has its default.

    Of the source's corner the sign does not count; that of its size turns the region around.

    Raises
    ------
    InvalidRenderingParameter
        Wrong count, no numbers, a side of 0 or beyond `max_side`, a region that is empty.

    Standard: PS3.18 8.3.5.1.3
    """
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 6:
        raise InvalidRenderingParameter(f"viewport is vw,vh or vw,vh,sx,sy,sw,sh, not {text[:80]!r}")
    names = ("sx", "sy", "sw", "sh")
    source = {
        name: _parse_number(part, f"viewport {name}")
        for name, part in zip(names, parts[2:], strict=False)
        if part
    }
    width, height = source.get("sw"), source.get("sh")
    if width == 0 or height == 0:
        raise InvalidRenderingParameter(f"viewport sw and sh must not be 0: {text[:80]!r}")
    return Viewport(
        _parse_side(parts[0], "vw", max_side),
        _parse_side(parts[1], "vh", max_side),
        abs(source.get("sx", 0.0)),
        abs(source.get("sy", 0.0)),
        width,
        height,
    )


def parse_size(text: str, *, max_side: int = MAX_VIEWPORT_SIDE) -> Viewport:
    """Read `vw,vh` of a viewport parameter for what has no region: a thumbnail or a presentation state.

    Raises
    ------
    InvalidRenderingParameter
        There is more or less than these two, or they are no sizes.

    Standard: PS3.18 8.3.5.1.3, 8.3.5.2
    """
    if text.count(",") != 1:
        raise InvalidRenderingParameter(
            f"the viewport of this resource is vw,vh and nothing else, not {text[:80]!r}"
        )
    return parse_viewport(text, max_side=max_side)


def parse_annotation(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the keywords of an annotation parameter: those of `ANNOTATIONS`, and those that are unknown here.

    Raises
    ------
    InvalidRenderingParameter
        There is none, or one of them is no keyword.

    Standard: PS3.18 8.3.5.1.1
    """
    keywords = [part.strip() for part in text.split(",")]
    for keyword in keywords:
        if not _KEYWORD.fullmatch(keyword):
            raise InvalidRenderingParameter(
                f"annotation is a list of {' and '.join(ANNOTATIONS)}, not {text[:80]!r}"
            )
    known = tuple(word for word in ANNOTATIONS if word in keywords)
    return known, tuple(word for word in dict.fromkeys(keywords) if word not in ANNOTATIONS)


def parse_icc_profile(text: str) -> str:
    """Read the iccprofile parameter: one of `ICC_PROFILES`.

    Raises
    ------
    InvalidRenderingParameter
        It is none of them.

    Standard: PS3.18 8.3.5.1.5
    """
    if text.strip() not in ICC_PROFILES:
        raise InvalidRenderingParameter(f"iccprofile is one of {', '.join(ICC_PROFILES)}, not {text[:40]!r}")
    return text.strip()


def parse_quality(text: str) -> int:
    """Read the quality parameter: a whole number from 1 to 100.

    Raises
    ------
    InvalidRenderingParameter
        It is none.

    Standard: PS3.18 8.3.5.1.2
    """
    if not text.isascii() or not _WHOLE_NUMBER.fullmatch(text.strip()) or not 1 <= int(text) <= 100:
        raise InvalidRenderingParameter(f"quality is a whole number from 1 to 100, not {text[:40]!r}")
    return int(text)


def _parse_number(text: str, name: str) -> float:
    if not text.isascii() or not _NUMBER.fullmatch(text):
        raise InvalidRenderingParameter(f"{name} is not a number: {text[:40]!r}")
    return float(text)


def _parse_side(text: str, name: str, max_side: int) -> int:
    if not text.isascii() or not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= max_side:
        raise InvalidRenderingParameter(
            f"viewport {name} is a whole number from 1 to {max_side}, not {text[:40]!r}"
        )
    return int(text)
