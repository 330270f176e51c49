"""A sign for what has no picture: a sheet with the modality on it.

Standard: PS3.18 10.4.1.1.4
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from repository.lettering import clean_line, load_font

_SHEET, _EDGE, _INK = 235, 120, 70


def draw_icon(label: str, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return a grey picture of a sheet of paper with a few letters on it, as large as fits."""
    side = max(1, min(width, height))
    image = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(image)
    left, right, top, bottom = side * 0.2, side * 0.8, side * 0.1, side * 0.9
    fold = side * 0.18
    outline = [(left, top), (right - fold, top), (right, top + fold), (right, bottom), (left, bottom)]
    draw.polygon(outline, fill=_SHEET)
    draw.polygon([(right - fold, top), (right, top + fold), (right - fold, top + fold)], fill=_EDGE)
    if side >= 32:
        font, has_letters = load_font(side // 5)
        text = clean_line(label[:6], is_ascii=not has_letters)
        draw.text((side / 2, side * 0.55), text, fill=_INK, font=font, anchor="mm")
    return np.asarray(image)
