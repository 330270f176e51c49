"""Drawing with ellipses and soft noise: all a phantom needs.

Coordinates: x from left to right, y from top to bottom, from -1 to 1 unless a canvas says otherwise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse: centre, half axes, and its turn clockwise in degrees."""

    x: float
    y: float
    half_width: float
    half_height: float
    tilt_deg: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A picture being drawn: `image` (rows, columns), with `x` of its columns and `y` of its rows."""

    x: Image
    y: Image
    image: Image


def make_canvas(size_px: int, background: float) -> Canvas:
    """Make a square canvas from -1 to 1."""
    axis = ((np.arange(size_px, dtype=np.float32) + 0.5) / size_px * 2 - 1).astype(np.float32)
    return Canvas(axis, axis, np.full((size_px, size_px), background, np.float32))


def paint(canvas: Canvas, ellipse: Ellipse, value: float, within: Mask | None = None) -> None:
    """Set the ellipse, or what of it lies `within`, to one value."""
    rows, columns, inside = _locate(canvas, ellipse)
    if within is not None:
        inside = inside & within[rows, columns]
    canvas.image[rows, columns][inside] = value


def shade(canvas: Canvas, ellipse: Ellipse, texture: Image, gain: float) -> None:
    """Add a texture, times `gain`, inside the ellipse."""
    rows, columns, inside = _locate(canvas, ellipse)
    canvas.image[rows, columns][inside] += texture[rows, columns][inside] * gain


def select(canvas: Canvas, *ellipses: Ellipse) -> Mask:
    """Select what lies inside any of the ellipses, as a mask of the whole canvas."""
    selected = np.zeros(canvas.image.shape, np.bool_)
    for ellipse in ellipses:
        rows, columns, inside = _locate(canvas, ellipse)
        selected[rows, columns] |= inside
    return selected


def make_texture(stream: np.random.Generator, size_px: int, cells: int) -> Image:
    """Make low-frequency noise of about -1 to 1 that looks like tissue: `cells` bumps along each side."""
    knots = stream.standard_normal((cells + 1, cells + 1)).astype(np.float32)
    position = np.linspace(0, cells, size_px, dtype=np.float32)
    index = np.minimum(position.astype(np.int64), cells - 1)
    step = position - index
    step = step * step * (3 - 2 * step)
    rows = knots[index] * (1 - step)[:, None] + knots[index + 1] * step[:, None]
    texture: Image = ((rows[:, index] * (1 - step) + rows[:, index + 1] * step) / 3).astype(np.float32)
    return texture


def compute_section(height: float, half_height: float) -> float:
    """Compute how wide an ellipsoid still is at a height, as a share of its full width; 0 outside of it."""
    return float(np.sqrt(max(0.0, 1 - (height / half_height) ** 2)))


def _locate(canvas: Canvas, ellipse: Ellipse) -> tuple[slice, slice, Mask]:
    """Find the rows and columns an ellipse touches, and which of their pixels it covers."""
    turn = np.deg2rad(ellipse.tilt_deg)
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))
    width, height = max(ellipse.half_width, 1e-3), max(ellipse.half_height, 1e-3)
    reach_x = float(np.hypot(width * cosine, height * sine))
    reach_y = float(np.hypot(width * sine, height * cosine))
    columns = slice(*np.searchsorted(canvas.x, (ellipse.x - reach_x, ellipse.x + reach_x)).tolist())
    rows = slice(*np.searchsorted(canvas.y, (ellipse.y - reach_y, ellipse.y + reach_y)).tolist())
    dx = canvas.x[None, columns] - np.float32(ellipse.x)
    dy = canvas.y[rows, None] - np.float32(ellipse.y)
    along = (dx * np.float32(cosine / width) + dy * np.float32(sine / width)) ** 2
    across = (dy * np.float32(cosine / height) - dx * np.float32(sine / height)) ** 2
    return rows, columns, along + across <= 1
