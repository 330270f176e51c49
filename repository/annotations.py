"""What is burned into a picture on demand: who it shows, and how it was made.

Standard: PS3.18 8.3.5.1.1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from repository.lettering import draw_lines
from repository.pixels import Attributes, read_values

_PATIENT = ("00100010", "00100020", "00100030", "00100040")
_PROCEDURE = ("00080020", "00081030", "0008103E")
_GEOMETRY = (("Se", "00200011"), ("Im", "00200013"), ("SL", "00201041"), ("ST", "00180050"))
_LINES_A_PICTURE = 32


def burn_annotations(
    picture: npt.NDArray[np.uint8],
    attributes: Attributes,
    annotations: Sequence[str],
    *,
    frame_index: int,
    number_of_frames: int,
) -> npt.NDArray[np.uint8]:
    """Return the picture with the patient in its upper left, the technique in its upper right corner."""
    if not annotations:
        return picture
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    size_px = max(8, min(picture.shape[:2]) // _LINES_A_PICTURE)
    white = 255 if picture.ndim == 2 else (255, 255, 255)
    margin = size_px // 2
    if "patient" in annotations:
        draw_lines(draw, (margin, margin), describe_patient(attributes), size_px, white)
    if "technique" in annotations:
        lines = describe_technique(attributes, frame_index, number_of_frames)
        draw_lines(draw, (image.width - margin, margin), lines, size_px, white, align="right")
    return np.asarray(image)


def describe_patient(attributes: Attributes) -> list[str]:
    """Return name, number, date of birth and sex, each a line; what is unknown is left out."""
    lines = [_read_text(attributes, tag) for tag in _PATIENT]
    return [line for line in (*lines[:2], " ".join(filter(None, lines[2:]))) if line]


def describe_technique(attributes: Attributes, frame_index: int, number_of_frames: int) -> list[str]:
    """Return date, descriptions, modality, position and number of the image, each a line."""
    lines = [_read_text(attributes, tag) for tag in _PROCEDURE]
    lines.append(_read_text(attributes, "00080060"))
    lines += [f"{label}: {text}" for label, tag in _GEOMETRY if (text := _read_text(attributes, tag))]
    if number_of_frames > 1:
        lines.append(f"Fr: {frame_index + 1}/{number_of_frames}")
    return [line for line in lines if line]


def _read_text(attributes: Attributes, tag: str) -> str:
    values = read_values(attributes, tag)
    if not values:
        return ""
    return _write_date(_write_name(values[0])) if tag in ("00080020", "00100030") else _write_name(values[0])


def _write_name(value: Any) -> str:
    if isinstance(value, dict):
        text = str(value.get("Alphabetic") or value.get("Ideographic") or value.get("Phonetic") or "")
        family, _, rest = text.partition("^")
        return ", ".join(filter(None, (family, rest.replace("^", " ").strip())))
    return str(value)


def _write_date(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text
