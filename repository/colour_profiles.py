"""ICC profiles of pictures: those of well-known colour spaces, and the change from one colour space to another."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Picture = npt.NDArray[np.uint8]

MAX_PROFILE_BYTES: Final = 4 << 20
"""A source profile that is larger is not used."""

# Red, green and blue under D50 as CIE XYZ, and the exponent of the tone curve. Standard: Adobe RGB (1998), ISO 22028-2
_ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
_ROMM_RGB = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))
_ADOBE_GAMMA, _ROMM_GAMMA = 563 / 256, 1.8
_ROMM_KNEE, _ROMM_SLOPE = 1 / 512, 16.0
_D50 = (0.9642, 1.0, 0.8249)
_CURVE_POINTS = 1024


def convert_to(picture: Picture, wanted: str, source: bytes | None) -> tuple[Picture, bytes | None]:
    """Give a picture the colours and the ICC profile that an iccprofile parameter asks for.

    Parameters
    ----------
    wanted
        `no`, `yes`, `srgb`, `adobergb` or `rommrgb`.
    source
        The profile of the picture's own colours; sRGB is assumed without one, or where it is none for RGB.

    Returns
    -------
    tuple
        The picture and the profile to embed. Where there is one the picture has three channels: profiles
        of RGB do not fit to grey.

    Standard: PS3.18 8.3.5.1.5
    """
    if wanted == "no":
        return picture, None
    coloured = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
    own = source if picture.ndim == 3 and source is not None and _is_rgb(source) else well_known("srgb")
    if wanted == "yes":
        return coloured, own
    target = well_known(wanted)
    if target == own:
        return coloured, own
    changed = ImageCms.profileToProfile(Image.fromarray(coloured), _open(own), _open(target))
    return np.asarray(changed), target


@cache
def well_known(name: str) -> bytes:
    """Return the ICC profile of `srgb`, `adobergb` or `rommrgb`."""
    if name == "srgb":
        return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if name == "adobergb":
        gamma = struct.pack(">4sIIH", b"curv", 0, 1, round(_ADOBE_GAMMA * 256))
        return _build("Adobe RGB (1998) compatible", _ADOBE_RGB, gamma)
    return _build("ROMM RGB", _ROMM_RGB, _build_romm_curve())


def _is_rgb(profile: bytes) -> bool:
    """Whether these bytes are a profile of RGB colours that can be used."""
    if len(profile) > MAX_PROFILE_BYTES or profile[16:20] != b"RGB ":
        return False
    try:
        target = _open(well_known("srgb"))
        ImageCms.buildTransform(_open(profile), target, "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return True


def _open(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def _build_romm_curve() -> bytes:
    encoded = np.linspace(0.0, 1.0, _CURVE_POINTS)
    linear = np.where(encoded < _ROMM_KNEE * _ROMM_SLOPE, encoded / _ROMM_SLOPE, encoded**_ROMM_GAMMA)
    points = np.rint(linear * 65535).astype(">u2")
    return struct.pack(">4sII", b"curv", 0, _CURVE_POINTS) + bytes(points.tobytes())


def _build(name: str, primaries: tuple[tuple[float, float, float], ...], curve: bytes) -> bytes:
    """Build a profile of three primaries and one tone curve.

    Standard: ICC.1:2001-04 (version 2.4)
    """
    text = name.encode("ascii") + b"\0"
    description = struct.pack(">4sII", b"desc", 0, len(text)) + text + bytes(12 + 67)
    tags = [
        (b"desc", description),
        (b"cprt", struct.pack(">4sI", b"text", 0) + b"No copyright\0"),
        (b"wtpt", _encode_xyz(_D50)),
        *((tag, _encode_xyz(xyz)) for tag, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)),
        *((tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for tag, value in tags:
        table += struct.pack(">4sII", tag, offset + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    body = table + data
    return _build_header(128 + len(body)) + body


def _build_header(size: int) -> bytes:
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    return (header + bytes(28) + _encode_xyz(_D50)[8:]).ljust(128, b"\0")


def _encode_xyz(xyz: tuple[float, float, float]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(value * 65536) for value in xyz))
