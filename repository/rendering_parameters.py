"""What a client may ask of a rendered picture, read from the text of its query parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LINEAR: Final = "LINEAR"
LINEAR_EXACT: Final = "LINEAR_EXACT"
SIGMOID: Final = "SIGMOID"

MAX_VIEWPORT_SIDE: Final = 4096

_FUNCTIONS = {"linear": LINEAR, "linear-exact": LINEAR_EXACT, "sigmoid": SIGMOID}
_NUMBER = re.compile(r"[+-]?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})([eE][+-]?\d)?")
_WHOLE_NUMBER = re.compile(r"\d{1,9}")


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


def parse_window(text: str) -> Window:
    """Read `center,width,function` of a window parameter; the function may be left out and is linear then.

    Raises
    ------
    InvalidRenderingParameter
        A part is missing or no number, the width is too small, or the function is none of the three.

    Standard: PS3.18 8.3.5.1.4
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 3):
        raise InvalidRenderingParameter(f"window is centre,width,function, not {text[:80]!r}")
    function = _FUNCTIONS.get(parts[2].lower()) if len(parts) == 3 else LINEAR
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


def parse_viewport(text: str) -> Viewport:
    """Read `vw,vh` or `vw,vh,sx,sy,sw,sh` of a viewport parameter; a source value left empty has its default.

    Raises
    ------
    InvalidRenderingParameter
        Wrong count, no numbers, a side of 0 or beyond 4096, a region that is empty or begins outside the image.

    Standard: PS3.18 8.3.5.1.3
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 6):
        raise InvalidRenderingParameter(f"viewport is vw,vh or vw,vh,sx,sy,sw,sh, not {text[:80]!r}")
    source = [
        _parse_number(part, f"viewport {name}") if part else None
        for name, part in zip(("sx", "sy", "sw", "sh"), parts[2:], strict=False)
    ]
    x, y, width, height = source or (None, None, None, None)
    if (x or 0) < 0 or (y or 0) < 0:
        raise InvalidRenderingParameter(f"viewport sx and sy must not be negative: {text[:80]!r}")
    if width == 0 or height == 0:
        raise InvalidRenderingParameter(f"viewport sw and sh must not be 0: {text[:80]!r}")
    return Viewport(
        _parse_side(parts[0], "vw"), _parse_side(parts[1], "vh"), x or 0.0, y or 0.0, width, height
    )


def parse_quality(text: str) -> int:
    """Read the quality parameter: a whole number from 1 to 100.

    Raises
    ------
    InvalidRenderingParameter
        It is none.

    Standard: PS3.18 8.3.5.1.2
    """
    if not _WHOLE_NUMBER.fullmatch(text.strip()) or not 1 <= int(text) <= 100:
        raise InvalidRenderingParameter(f"quality is a whole number from 1 to 100, not {text[:40]!r}")
    return int(text)


def _parse_number(text: str, name: str) -> float:
    if not text.isascii() or not _NUMBER.fullmatch(text):
        raise InvalidRenderingParameter(f"{name} is not a number: {text[:40]!r}")
    return float(text)


def _parse_side(text: str, name: str) -> int:
    if not text.isascii() or not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_VIEWPORT_SIDE:
        raise InvalidRenderingParameter(
            f"viewport {name} is a whole number from 1 to {MAX_VIEWPORT_SIDE}, not {text[:40]!r}"
        )
    return int(text)
