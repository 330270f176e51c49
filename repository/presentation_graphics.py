"""Lines and words that a presentation state draws over an image.

Standard: PS3.3 C.10.5, C.10.7
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from repository.lettering import MAX_SIZE, MIN_SIZE, draw_lines
from repository.pixels import Attributes, InvalidImageDescription, read_floats, read_items, read_values
from repository.presentation_state import applies_to

Point = tuple[float, float]
Fill = int | tuple[int, int, int]

MAX_POINTS = 50_000
POINTS_A_LINE = 100
"""What a line of text counts, which costs as much to draw as so many points."""
MAX_INK = 200_000_000
"""Pixels that may be touched by all that is drawn: a stroke counts its length, a filled shape what surrounds it."""
_ANNOTATIONS, _LAYERS = "00700001", "00700060"
_CURVE_STEPS = 16
_ROUND_STEPS = 90
_WHITE = 255


@dataclass(frozen=True, slots=True)
class Placement:
    """How points reach the picture: from pixels of the image, and from fractions of what is shown."""

    of_pixels: Callable[[Point], Point]
    of_display: Callable[[Point], Point]

    def place(self, points: Sequence[Point], units: str) -> list[Point]:
        """Return points of an annotation as points of the picture."""
        move = self.of_display if units == "DISPLAY" else self.of_pixels
        return [(_limit(x), _limit(y)) for x, y in map(move, points)]


def read_layer_greys(state: Attributes) -> dict[str, int]:
    """Return the grey of each graphic layer; white where it recommends none.

    Standard: PS3.3 C.10.7
    """
    greys = {}
    for item in read_items(state, _LAYERS):
        names, values = read_values(item, "00700002"), read_floats(item, "00700066")
        if names:
            greys[str(names[0])] = int(min(max(values[0], 0.0), 65535.0)) // 257 if values else _WHITE
    return greys


def draw_annotations(
    picture: npt.NDArray[np.uint8],
    state: Attributes,
    placement: Placement,
    *,
    sop_instance_uid: str,
    frame_number: int,
) -> npt.NDArray[np.uint8]:
    """Return the picture with the graphics and texts of a state that are meant for a frame.

    Raises
    ------
    InvalidImageDescription
        There are more points than any hand has drawn.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    greys = read_layer_greys(state)
    points, ink = 0, 0.0
    for item in read_items(state, _ANNOTATIONS):
        if not applies_to(item, sop_instance_uid, frame_number):
            continue
        grey = greys.get(str((read_values(item, "00700002") or [""])[0]), _WHITE)
        fill = grey if picture.ndim == 2 else (grey, grey, grey)
        for graphic in read_items(item, "00700009"):
            points += len(read_values(graphic, "00700022"))
            _check_budget(points, ink)
            outline, is_filled = _trace_graphic(graphic, placement)
            ink += _measure(outline, is_filled)
            _check_budget(points, ink)
            _draw_outline(draw, outline, is_filled, fill)
        for text in read_items(item, "00700008"):
            lines = _read_lines(text)
            points += POINTS_A_LINE * len(lines)
            _check_budget(points, ink)
            _draw_text(draw, text, lines, placement, fill)
    return np.asarray(image)


def _limit(coordinate: float) -> float:
    """Return a coordinate that is not far outside of any picture."""
    return min(max(coordinate, -10_000.0), 20_000.0)


def _check_budget(points: int, ink: float) -> None:
    if points > MAX_POINTS or ink > MAX_INK:
        raise InvalidImageDescription("the presentation state draws more than any hand has drawn")


def _measure(outline: list[Point], is_filled: bool) -> float:
    length: float = sum(math.dist(first, second) + 1 for first, second in pairwise(outline))
    if not is_filled or not outline:
        return 4 * length
    width, height = (float(max(axis) - min(axis) + 1) for axis in zip(*outline, strict=True))
    return 4 * length + width * height


def _trace_graphic(graphic: Attributes, placement: Placement) -> tuple[list[Point], bool]:
    """Return a graphic as a line of points in the picture, and whether it is to be filled; one point is a mark."""
    numbers = read_floats(graphic, "00700022")
    points = list(zip(numbers[::2], numbers[1::2], strict=False))
    kind = str((read_values(graphic, "00700023") or [""])[0]).strip().upper()
    units = str((read_values(graphic, "00700005") or ["PIXEL"])[0]).strip().upper()
    outline = placement.place(points[:1] if kind == "POINT" else _trace(kind, points), units)
    is_filled = [str(value).strip() for value in read_values(graphic, "00700024")][:1] == ["Y"]
    return outline, is_filled and len(outline) > 2 and outline[0] == outline[-1]


def _draw_outline(draw: ImageDraw.ImageDraw, outline: list[Point], is_filled: bool, fill: Fill) -> None:
    width = max(1, min(draw.im.size) // 400)
    if len(outline) == 1:
        [(x, y)], arm = outline, 4 * width
        draw.line([(x - arm, y), (x + arm, y)], fill=fill, width=width)
        draw.line([(x, y - arm), (x, y + arm)], fill=fill, width=width)
    elif outline:
        if is_filled:
            draw.polygon(outline, fill=fill)
        draw.line(outline, fill=fill, width=width)


def _trace(kind: str, points: list[Point]) -> list[Point]:
    """Return a graphic as a line of points; an empty one where there are too few of them."""
    if kind == "POLYLINE":
        return points
    if kind == "INTERPOLATED":
        return _interpolate(points)
    if kind == "CIRCLE" and len(points) >= 2:
        radius = math.dist(points[0], points[1])
        return _trace_round(points[0], (radius, 0.0), (0.0, radius))
    if kind == "ELLIPSE" and len(points) >= 4:
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = points[:4]
        centre = ((ax + bx) / 2, (ay + by) / 2)
        return _trace_round(centre, ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2))
    return []


def _trace_round(centre: Point, first: Point, second: Point) -> list[Point]:
    """Return an ellipse by its centre and the arrows to two points a quarter of the way apart."""
    line = []
    for step in range(_ROUND_STEPS):
        angle = 2 * math.pi * step / _ROUND_STEPS
        along, across = math.cos(angle), math.sin(angle)
        line.append(
            (
                centre[0] + first[0] * along + second[0] * across,
                centre[1] + first[1] * along + second[1] * across,
            )
        )
    return [*line, line[0]]


def _interpolate(points: list[Point]) -> list[Point]:
    """Return a smooth line through all points."""
    if len(points) < 3:
        return points
    is_closed = points[0] == points[-1]
    before, after = (points[-2], points[1]) if is_closed else (points[0], points[-1])
    known = np.array([before, *points, after])
    steps = np.linspace(0.0, 1.0, _CURVE_STEPS, endpoint=False)[:, None]
    line: list[Point] = []
    for a, b, c, d in zip(known, known[1:], known[2:], known[3:], strict=False):
        # Catmull-Rom: the tangent in a point is parallel to the line between its neighbours.
        curve = b + 0.5 * steps * (
            c - a + steps * (2 * a - 5 * b + 4 * c - d + steps * (3 * (b - c) + d - a))
        )
        line += [(float(x), float(y)) for x, y in curve]
    return [*line, points[-1]]


def _read_lines(text: Attributes) -> list[str]:
    return "\n".join(str(value) for value in read_values(text, "00700006")).splitlines()[:50]


def _draw_text(
    draw: ImageDraw.ImageDraw, text: Attributes, lines: list[str], placement: Placement, fill: Fill
) -> None:
    if not lines:
        return
    first, last = read_floats(text, "00700010"), read_floats(text, "00700011")
    default_px = max(MIN_SIZE, min(draw.im.size) // 32)
    if len(first) >= 2 and len(last) >= 2:
        units = str((read_values(text, "00700003") or ["PIXEL"])[0]).strip().upper()
        (ax, ay), (bx, by) = placement.place([(first[0], first[1]), (last[0], last[1])], units)
        size_px = int(min(max(abs(by - ay) / len(lines) / 1.25, default_px), MAX_SIZE))
        adjustments = read_values(text, "00700012") or ["LEFT"]
        align = str(adjustments[0]).strip().lower()
        x = {"right": max(ax, bx), "center": (ax + bx) / 2}.get(align, min(ax, bx))
        align = align if align in ("right", "center") else "left"
        draw_lines(draw, (x, min(ay, by)), lines, size_px, fill, align=align)
        return
    anchor = read_floats(text, "00700014")
    if len(anchor) >= 2:
        units = str((read_values(text, "00700004") or ["PIXEL"])[0]).strip().upper()
        [(x, y)] = placement.place([(anchor[0], anchor[1])], units)
        draw_lines(draw, (x, y), lines, default_px, fill)
