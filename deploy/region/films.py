"""Radiographs of a chest, a knee and a hand: how much is absorbed, from 0 to 1, bright where dense."""

import numpy as np

from deploy.region.canvas import Ellipse, Image, Mask, make_canvas, paint, select
from deploy.region.phantoms import BodyShape
from deploy.region.reporting import Lesion

_FINGERS = ((-28.0, 0.62), (-10.0, 0.86), (1.0, 0.93), (12.0, 0.86), (25.0, 0.66))
_PHALANGES = ((0.10, 0.42, 0.046), (0.46, 0.70, 0.038), (0.73, 0.86, 0.031), (0.885, 0.97, 0.026))


def draw_chest_film(body: BodyShape, lesion: Lesion | None, texture: Image) -> Image:
    """Draw a chest from behind: lungs, ribs, heart, spine, diaphragm, collar bones."""
    canvas = make_canvas(len(texture), 0)
    x, y = canvas.x[None, :], canvas.y[:, None]
    image = 0.62 * np.exp(-((x / (0.95 * body.width)) ** 6)) * np.ones_like(y)
    image[(y < -0.78) & (np.abs(x) > 0.22 + (y + 1) * 1.6)] = 0.12
    for side in (-1, 1):
        lung = np.exp(-(((x - side * 0.42) / (0.30 * body.width)) ** 4 + ((y + 0.02) / 0.66) ** 4))
        image -= 0.40 * body.height * lung
        image += _draw_ribs(x, y, side)
        image += (
            0.42 / (1 + np.exp(-(y - 0.56 - 0.10 * np.cos(3 * (x - side * 0.4))) / 0.025)) * (x * side > 0)
        )
        collar_bone = (y + 0.72) + side * (x - side * 0.1) * 0.16
        image += 0.10 * np.exp(-((collar_bone / 0.028) ** 2)) * (x * side > 0.06) * (x * side < 0.75)
    image += 0.34 * np.exp(-((x / 0.10) ** 4))
    image += 0.34 * np.exp(-(((x - 0.13) / 0.26) ** 4 + ((y - 0.28) / 0.30) ** 4))
    vertebrae = sum((np.sin(22 * y + number) > 0.5).astype(np.float32) for number in range(14))
    image += 0.012 * np.exp(-((x / 0.055) ** 4)) * vertebrae
    if lesion:
        radius = lesion.radius * 0.6
        spot = ((x - 0.40 - lesion.x * 0.2) / radius) ** 2 + ((y - lesion.y * 0.3) / radius) ** 2
        image += 0.22 * np.exp(-spot)
    return _expose(image, texture, 0.018)


def draw_knee_film(body: BodyShape, lesion: Lesion | None, texture: Image) -> Image:
    """Draw a knee from the front."""
    canvas = make_canvas(len(texture), 0)
    x, y = canvas.x[None, :], canvas.y[:, None]
    image = canvas.image
    image[:] = np.where(np.abs(x) < 0.62 * body.width, 0.34, 0.03)
    shaft = Ellipse(0, -0.85, 0.23, 0.85)
    femur = select(canvas, shaft, *(Ellipse(side * 0.17, -0.13, 0.20, 0.18) for side in (-1, 1))) & (y < 0.03)
    tibia = select(canvas, Ellipse(0, 0.95, 0.21, 0.95), Ellipse(0, 0.22, 0.40, 0.15)) & (y > 0.09)
    image[femur] += 0.36
    image[tibia] += 0.36
    image[select(canvas, Ellipse(0.34, 0.85, 0.065, 0.66))] += 0.24
    image[select(canvas, Ellipse(0, -0.17, 0.15, 0.17))] += 0.10
    image[femur & ~select(canvas, Ellipse(0, -0.85, 0.19, 0.80)) & (y < -0.35)] += 0.12
    if lesion:
        image[select(canvas, Ellipse(0.15, 0.25, lesion.radius * 0.5, lesion.radius * 0.4))] -= 0.16
    return _expose(image, texture, 0.02)


def draw_hand_film(body: BodyShape, lesion: Lesion | None, texture: Image) -> Image:
    """Draw a hand from the palm."""
    canvas = make_canvas(len(texture), 0)
    x, y = canvas.x[None, :], canvas.y[:, None]
    soft = select(canvas, Ellipse(0, 0.30, 0.42 * body.width, 0.38)) | ((np.abs(x) < 0.24) & (y > 0.4))
    for number, (angle_deg, length) in enumerate(_FINGERS):
        turn = np.deg2rad(angle_deg)
        dx, dy = float(np.sin(turn)), float(-np.cos(turn))
        root_x, root_y = dx * 0.15, 0.28 + dy * 0.02
        for start, end, thickness in _PHALANGES:
            if number == 0 and start == 0.73:
                continue  # A thumb has one phalanx less.
            middle = (start + end) / 2 * length * 1.15
            half_length = (end - start) / 2 * length * 1.15
            bone = Ellipse(root_x + dx * middle, root_y + dy * middle, thickness, half_length, angle_deg)
            paint(canvas, bone, 0.40)
        middle = 0.6325 * length
        soft |= select(
            canvas, Ellipse(root_x + dx * middle, root_y + dy * middle, 0.085, 0.56 * length, angle_deg)
        )
    for number in range(8):
        paint(canvas, Ellipse(-0.19 + 0.125 * (number % 4), 0.46 + 0.09 * (number // 4), 0.058, 0.048), 0.38)
    paint(canvas, Ellipse(-0.11, 0.95, 0.11, 0.36), 0.40)
    paint(canvas, Ellipse(0.13, 0.97, 0.07, 0.36), 0.36)
    if lesion:
        canvas.image[select(canvas, Ellipse(0.04, 0.12, 0.10, 0.012, 8))] -= 0.2
    return _expose(0.03 + 0.27 * soft + canvas.image, texture, 0.015)


def _draw_ribs(x: Image, y: Image, side: int) -> Image:
    ribs = np.zeros((y.shape[0], x.shape[1]), np.float32)
    lit: Mask = (np.abs(x) < 0.80) & (x * side > 0.05)
    for number in range(9):
        distance = y - (-0.70 + number * 0.15 + 0.42 * (x * side - 0.35) ** 2)
        ribs += 0.050 * np.exp(-((distance / 0.022) ** 2)) * lit
    return ribs


def _expose(image: Image, texture: Image, gain: float) -> Image:
    exposed: Image = np.clip(image + texture * gain, 0, 1).astype(np.float32)
    return exposed
