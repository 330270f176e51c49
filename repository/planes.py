"""Where a frame lies in the patient, and where its pixels are found in another frame.

Standard: PS3.3 C.7.6.2, C.7.4.1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from repository.functional_groups import find_frame_macro
from repository.pixels import Attributes, read_floats, read_values

Vector = npt.NDArray[np.float64]

_POSITIONS, _ORIENTATIONS, _MEASURES = "00209113", "00209116", "00289110"
_FRAME_OF_REFERENCE, _POSITION, _ORIENTATION = "00200052", "00200032", "00200037"
_PIXEL_SPACING, _SLICE_THICKNESS, _SLICE_SPACING = "00280030", "00180050", "00180088"
_PARALLEL: Final = 0.999
_DEFAULT_THICKNESS_MM: Final = 1.0
_SLACK_MM: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane of a frame, in mm of the patient: the middle of its first pixel, one step to the right, one down."""

    frame_of_reference_uid: str
    position: tuple[float, ...]
    right: tuple[float, ...]
    down: tuple[float, ...]
    thickness_mm: float

    @property
    def normal(self) -> Vector:
        """The direction it is looked at in, of length 1."""
        normal = np.cross(self.right, self.down)
        return np.asarray(normal / np.linalg.norm(normal), np.float64)


def read_plane(attributes: Attributes, frame_index: int) -> Plane | None:
    """Return the plane of a frame; None where it is not said, or is none."""
    uids = [str(value).strip() for value in read_values(attributes, _FRAME_OF_REFERENCE)]
    position = read_floats(find_frame_macro(attributes, frame_index, _POSITIONS), _POSITION)
    cosines = read_floats(find_frame_macro(attributes, frame_index, _ORIENTATIONS), _ORIENTATION)
    measures = find_frame_macro(attributes, frame_index, _MEASURES)
    spacing = read_floats(measures, _PIXEL_SPACING)
    if not uids or len(position) != 3 or len(cosines) != 6 or len(spacing) != 2 or min(spacing) <= 0:
        return None
    across, along = np.array(cosines[:3]), np.array(cosines[3:])
    if abs(np.linalg.norm(across) - 1) > 0.01 or abs(np.linalg.norm(along) - 1) > 0.01:
        return None
    if abs(float(across @ along)) > 0.01:
        return None
    thick = [
        size for tag in (_SLICE_SPACING, _SLICE_THICKNESS) for size in read_floats(measures, tag) if size > 0
    ]
    return Plane(
        uids[0],
        tuple(position),
        tuple(across * spacing[1]),
        tuple(along * spacing[0]),
        thick[0] if thick else _DEFAULT_THICKNESS_MM,
    )


def find_distance_mm(plane: Plane, other: Plane) -> float | None:
    """Return how far apart two planes are; None where they cannot be laid on each other.

    They can if they share a frame of reference, are parallel, and are no further apart than half of the thicker one.
    """
    if plane.frame_of_reference_uid != other.frame_of_reference_uid:
        return None
    normal = plane.normal
    if abs(float(normal @ other.normal)) < _PARALLEL:
        return None
    distance = abs(float((np.array(other.position) - np.array(plane.position)) @ normal))
    limit = max(plane.thickness_mm, other.thickness_mm) / 2 + _SLACK_MM
    return distance if distance <= limit else None


def map_pixels(plane: Plane, other: Plane) -> npt.NDArray[Any]:
    """Return the matrix (2, 3) from (column, row, 1) of a plane to column and row of another one; middles of pixels."""
    steps = np.stack([plane.right, plane.down, np.subtract(plane.position, other.position)], axis=-1)
    axes = np.stack([np.divide(axis, np.dot(axis, axis)) for axis in (other.right, other.down)])
    return np.asarray(axes @ steps)
