"""Text in pictures: a font that is at hand, and letters that stay readable on black and on white."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

MIN_SIZE: Final = 8
MAX_SIZE: Final = 96
MAX_CHARACTERS: Final = 200
# What distributions install under these names has the letters of European languages.
_FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf")


@lru_cache(maxsize=32)
def load_font(size_px: int) -> tuple[Font, bool]:
    """Return a font, and whether it has more than the letters of ASCII.

    Without a font of the system the one that Pillow carries is taken, which knows ASCII only.
    """
    size_px = max(MIN_SIZE, min(size_px, MAX_SIZE))
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size_px), True
        except OSError:
            continue  # not on this machine
    return ImageFont.load_default(size_px), False


def clean_line(text: str, *, is_ascii: bool = False) -> str:
    """Return a text as one line that can be drawn: no control characters, bounded; accents dropped for ASCII."""
    text = "".join(
        " " if unicodedata.category(sign).startswith("C") else sign for sign in text[:MAX_CHARACTERS]
    )
    if not is_ascii:
        return text.strip()
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return plain.encode("ascii", "replace").decode("ascii").strip()


def draw_lines(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    lines: list[str],
    size_px: int,
    fill: int | tuple[int, int, int],
    *,
    align: str = "left",
) -> None:
    """Draw lines from a corner down, white letters with a dark rim.

    Parameters
    ----------
    align
        `left`, `right` or `center`: which part of a line lies at the given x.
    """
    font, has_letters = load_font(size_px)
    anchor = {"left": "la", "right": "ra", "center": "ma"}[align]
    rim = max(1, size_px // 12)
    x, y = at
    for line in lines:
        text = clean_line(line, is_ascii=not has_letters)
        draw.text((x, y), text, fill=fill, font=font, anchor=anchor, stroke_width=rim, stroke_fill=0)
        y += size_px * 1.25
