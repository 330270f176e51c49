"""Cross sections that a viewer shows as a head, a chest, a belly and a knee.

`height` is where the section lies in the body part, from -1 (top) to 1 (bottom). CT sections are in
Hounsfield units, MR sections in arbitrary signal from 0 up.
"""

from dataclasses import dataclass

import numpy as np

from deploy.region.canvas import (
    Canvas,
    Ellipse,
    Image,
    compute_section,
    make_canvas,
    paint,
    select,
    shade,
)
from deploy.region.reporting import Lesion


@dataclass(frozen=True, slots=True)
class BodyShape:
    """How one person differs from the average body: width and height as factors, head tilt in degrees."""

    width: float
    height: float
    tilt_deg: float


@dataclass(frozen=True, slots=True)
class HeadContrast:
    """The grey of everything in a head, in one kind of picture."""

    air: float
    scalp: float
    skull: float
    fluid: float
    grey_matter: float
    white_matter: float
    lesion: float


CT_HEAD = HeadContrast(-1000, 40, 950, 8, 38, 28, 62)
T1_HEAD = HeadContrast(5, 700, 60, 130, 420, 590, 300)
T2_HEAD = HeadContrast(5, 420, 40, 980, 520, 390, 860)


def pick_body_shape(stream: np.random.Generator) -> BodyShape:
    """Pick the shape of one person's body."""
    return BodyShape(
        float(stream.uniform(0.92, 1.08)), float(stream.uniform(0.94, 1.06)), float(stream.uniform(-4, 4))
    )


def draw_head(
    height: float, body: BodyShape, contrast: HeadContrast, lesion: Lesion | None, texture: Image
) -> Image:
    """Draw an axial section of a head."""
    canvas = make_canvas(len(texture), contrast.air)
    section = compute_section(height, 1.12)
    width, length, tilt = 0.69 * body.width * section, 0.88 * body.height * section, body.tilt_deg
    for value, across, along in (
        (contrast.scalp, 1.0, 1.0),
        (contrast.skull, 0.95, 0.95),
        (contrast.fluid, 0.86, 0.88),
    ):
        paint(canvas, Ellipse(0, 0, width * across, length * along, tilt), value)
    brain = select(canvas, Ellipse(0, 0, width * 0.82, length * 0.845, tilt))
    canvas.image[brain] = contrast.grey_matter
    x, y = canvas.x[None, :], canvas.y[:, None]
    distance = np.hypot(x / max(width, 1e-3), y / max(length, 1e-3))
    white = distance < 0.62 + 0.06 * np.sin(14 * np.arctan2(y, x) + 9 * height)
    canvas.image[brain & white] = contrast.white_matter
    canvas.image[brain & (np.abs(x) < 0.012)] = contrast.fluid
    ventricle = compute_section(height, 0.55)
    for side in (-1, 1) if ventricle else ():
        horn = Ellipse(side * 0.13 * width / 0.69, -0.08, 0.075 * ventricle, 0.30 * ventricle, -12 * side)
        paint(canvas, horn, contrast.fluid, within=brain)
    if lesion and (radius := lesion.radius * compute_section(height - lesion.z, lesion.radius * 1.4)):
        paint(canvas, Ellipse(lesion.x, lesion.y, radius, radius * 0.9), contrast.lesion, within=brain)
    span = abs(contrast.white_matter - contrast.fluid) * 0.25 + 1
    canvas.image[brain] += texture[brain] * np.float32(span)
    return canvas.image


def draw_chest(height: float, body: BodyShape, lesion: Lesion | None, texture: Image) -> Image:
    """Draw an axial section of a chest, with contrast in the aorta."""
    canvas, width, length = _draw_trunk(height, body, texture)
    section = compute_section(height, 1.15)
    for side in (-1, 1):
        shape = Ellipse(side * 0.42 * width, 0.02, 0.33 * width * section, 0.725 * length * section, side * 6)
        lung = select(canvas, shape)
        paint(canvas, shape, -830)
        shade(canvas, shape, texture, 60)
        for number in range(9):
            angle = number * 0.7 + 3 * height
            place = side * (0.28 + 0.22 * np.cos(angle)), 0.28 * np.sin(angle * 1.7)
            paint(canvas, Ellipse(*place, 0.014, 0.014), 35, within=lung)
    if heart := compute_section(height - 0.35, 0.75):
        paint(canvas, Ellipse(0.10, -0.12, 0.26 * heart, 0.22 * heart, 25), 42)
    paint(canvas, Ellipse(-0.02, 0.16, 0.065, 0.065), 140)
    paint(canvas, Ellipse(0, -0.02, 0.045, 0.05), -980)
    _finish_trunk(canvas, height, body, length, texture, lesion, 0.42 * width, 45)
    return canvas.image


def draw_abdomen(height: float, body: BodyShape, lesion: Lesion | None, texture: Image) -> Image:
    """Draw an axial section of a belly: liver, spleen, kidneys, bowel with air."""
    canvas, width, length = _draw_trunk(height, body, texture)
    if liver := compute_section(height + 0.45, 1.0):
        paint(canvas, Ellipse(-0.38 * width, -0.08, 0.42 * width * liver, 0.594 * length * liver, -8), 105)
    if spleen := compute_section(height + 0.4, 0.6):
        paint(canvas, Ellipse(0.58 * width, 0.08, 0.17 * width * spleen, 0.26 * spleen, 15), 118)
    kidney = compute_section(height - 0.05, 0.7)
    for side in (-1, 1) if kidney else ():
        paint(canvas, Ellipse(side * 0.42 * width, 0.22, 0.12 * kidney, 0.15 * kidney, side * 20), 170)
        paint(canvas, Ellipse(side * 0.40 * width, 0.22, 0.045 * kidney, 0.07 * kidney), 20)
    for number in range(7):
        angle = number * 0.9 + 2.3 * height
        x, y = 0.05 + 0.34 * np.cos(angle), -0.12 + 0.16 * np.sin(1.9 * angle)
        paint(canvas, Ellipse(x, y, 0.085, 0.07), 30)
        paint(canvas, Ellipse(x, y - 0.02, 0.05, 0.03), -850)
    paint(canvas, Ellipse(0.03, 0.20, 0.06, 0.06), 150)
    _finish_trunk(canvas, height, body, length, texture, lesion, -0.40 * width, 62)
    return canvas.image


def draw_knee(height: float, body: BodyShape, lesion: Lesion | None, texture: Image) -> Image:
    """Draw a coronal section of a knee as fat-suppressed MR shows it."""
    canvas = make_canvas(len(texture), 0)
    x, y = canvas.x[None, :], canvas.y[:, None]
    image, leg = canvas.image, np.abs(x + 0.05 * np.sin(2 * y)) < 0.62 * body.width
    image[leg] = 560
    image[leg & (np.abs(x) < 0.54 * body.width)] = 210
    section = compute_section(height, 1.3)
    femur = select(
        canvas, Ellipse(0.02, -0.75, 0.24 * section, 0.72), Ellipse(0.04, -0.12, 0.40 * section, 0.24)
    )
    tibia = select(canvas, Ellipse(0, 0.80, 0.22 * section, 0.72), Ellipse(0, 0.26, 0.40 * section, 0.15))
    image[femur & (y < 0.09)] = 520
    image[tibia & (y > 0.13)] = 520
    paint(canvas, Ellipse(-0.47, -0.18, 0.09 * section, 0.19), 500)
    paint(canvas, Ellipse(0, 0.11, 0.40 * section, 0.035), 120)
    meniscus = (y > 0.065) & (y < 0.155) & (np.abs(np.abs(x) - 0.24) < 0.14 * section)
    image[meniscus] = 30
    if lesion and (radius := lesion.radius * compute_section(height - lesion.z, lesion.radius * 1.6)):
        paint(canvas, Ellipse(0.05 + lesion.x * 0.3, -0.2, radius, radius), 900)
    image[leg] += texture[leg] * np.float32(45)
    return image


def _draw_trunk(height: float, body: BodyShape, texture: Image) -> tuple[Canvas, float, float]:
    """Draw skin, fat, muscle and ribs; return the canvas and the trunk's half width and half depth."""
    canvas = make_canvas(len(texture), -1000)
    width, length = 0.90 * body.width * (1 - 0.05 * abs(height)), 0.62 * body.height
    paint(canvas, Ellipse(0, 0, width, length), -95)
    paint(canvas, Ellipse(0, 0, width * 0.93, length * 0.90), 45)
    for side in (-1, 1):
        for number in range(5):
            angle = np.deg2rad(25 + 32 * number + 10 * height)
            place = side * width * 0.86 * np.sin(angle), -length * 0.84 * np.cos(angle)
            paint(canvas, Ellipse(*place, 0.05, 0.025, side * np.rad2deg(angle)), 480)
    return canvas, width, length


def _finish_trunk(
    canvas: Canvas, height: float, body: BodyShape, length: float, texture: Image,
    lesion: Lesion | None, lesion_x: float, lesion_value: float,
) -> None:  # fmt: skip
    """Draw the spine, the lesion, the grain of soft tissue and the couch."""
    back = length / 0.62
    for y, half_width, half_height, value in (
        (0.40, 0.105, 0.095, 420.0),
        (0.40, 0.075, 0.068, 210.0),
        (0.52, 0.035, 0.035, 25.0),
        (0.63, 0.025, 0.07, 420.0),
    ):
        paint(canvas, Ellipse(0, y * back, half_width, half_height), value)
    if lesion and (section := compute_section(height - lesion.z, lesion.radius * 1.4)):
        radius = lesion.radius * section * 0.8
        place = Ellipse(lesion_x + lesion.x * 0.3, lesion.y * 0.3, radius, radius)
        paint(canvas, place, lesion_value)
    width = 0.90 * body.width * (1 - 0.05 * abs(height))
    soft = select(canvas, Ellipse(0, 0, width, length)) & (canvas.image > -200)
    canvas.image[soft] += texture[soft] * np.float32(9)
    paint(canvas, Ellipse(0, 0.78, 0.95, 0.035), -150)
