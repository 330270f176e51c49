"""Ultrasound clips: a sector with speckle, in which a heart beats or a belly breathes."""

import numpy as np
from numpy.typing import NDArray

from deploy.region.canvas import Canvas, Ellipse, Image, paint, select
from deploy.region.phantoms import BodyShape


def draw_heart_clip(
    rows: int, frames: int, body: BodyShape, stream: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a beating heart with a patch of colour flow: (frames, rows, 4/3 rows, 3), RGB."""
    canvas, fan, speckle = _open_sector(rows, stream)
    clip = np.zeros((frames, *canvas.image.shape, 3), np.uint8)
    for frame_index in range(frames):
        phase = float(np.sin(2 * np.pi * frame_index / frames))
        beat = 1 + 0.16 * phase
        canvas.image[:] = 0.33
        paint(canvas, Ellipse(0, 1.0, 0.52 * body.width, 0.66, 8), 0.62)
        paint(canvas, Ellipse(-0.12, 1.0, 0.24 * beat, 0.44 * beat, 8), 0.04)
        paint(canvas, Ellipse(0.25, 0.98, 0.13 * beat, 0.36 * beat, 8), 0.05)
        paint(canvas, Ellipse(0.02, 1.42, 0.30, 0.06, 10 * beat), 0.7)
        clip[frame_index] = _scan(canvas.image, fan, speckle, phase)
        flow = select(canvas, Ellipse(-0.10, 1.02, 0.12, 0.22 * beat)) & (fan > 0)
        clip[frame_index][flow] = (200, 60, 40) if beat > 1 else (50, 80, 210)
    return clip


def draw_abdomen_clip(
    rows: int, frames: int, body: BodyShape, stream: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a liver and vessels moving with the breath: (frames, rows, 4/3 rows, 3), RGB."""
    canvas, fan, speckle = _open_sector(rows, stream)
    canvas.image[:] = 0.33
    paint(canvas, Ellipse(-0.15, 0.95, 0.80 * body.width, 0.62), 0.46)
    paint(canvas, Ellipse(0.20, 0.80, 0.20, 0.13, 20), 0.03)
    for number in range(5):
        vessel = Ellipse(-0.5 + 0.22 * number, 1.0 + 0.12 * float(np.sin(number * 2.1)), 0.05, 0.04)
        paint(canvas, vessel, 0.05)
    x, y = canvas.x[None, :], canvas.y[:, None]
    canvas.image[np.hypot(x, y) > 1.62 - 0.04 * np.cos(9 * np.arctan2(x, y))] = 0.85
    phases = (float(np.sin(2 * np.pi * frame_index / frames)) for frame_index in range(frames))
    return np.stack([_scan(canvas.image, fan, speckle, phase) for phase in phases])


def _open_sector(rows: int, stream: np.random.Generator) -> tuple[Canvas, Image, Image]:
    """Make the canvas (y is depth), the fan that the probe sees, fading with depth, and the speckle."""
    columns = rows * 4 // 3
    x = ((np.arange(columns) - columns / 2) / rows * 2).astype(np.float32)
    y = (np.arange(rows) / rows * 2).astype(np.float32)
    canvas = Canvas(x, y, np.zeros((rows, columns), np.float32))
    depth, angle = np.hypot(x[None, :], y[:, None]), np.arctan2(x[None, :], y[:, None])
    seen = (depth < 1.85) & (depth > 0.12) & (np.abs(angle) < 0.68)
    speckle = stream.gamma(2.0, 0.5, (rows, columns)).astype(np.float32)
    return canvas, (np.exp(-depth * 0.35) * seen).astype(np.float32), speckle


def _scan(echo: Image, fan: Image, speckle: Image, phase: float) -> NDArray[np.uint8]:
    """Turn echo strength into a grey RGB frame, moved with the phase, with a grey scale at the side."""
    grey = np.roll(np.clip(echo * speckle * fan * 235, 0, 255), round(1.5 * phase), axis=0).astype(np.uint8)
    rows, columns = grey.shape
    bar_px = max(rows // 3 - 8, 0)
    grey[8 : 8 + bar_px, columns - 14 : columns - 8] = np.linspace(255, 0, bar_px).astype(np.uint8)[:, None]
    return np.repeat(grey[..., None], 3, axis=2)
