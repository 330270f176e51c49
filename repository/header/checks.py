"""Checks of a whole header: identity (refused) and plausibility (warned about).

Standard: PS3.18 10.5.3, PS3.3 C.7.6.3
"""

import re
from collections.abc import Mapping
from typing import Any

from repository.header.errors import (
    DirectoryFile,
    MissingAttribute,
)
from repository.header.meta import FileMeta, check_uid
from repository.header.model import Findings, PixelElement

DIRECTORY_SOP_CLASS = "1.2.840.10008.1.3.10"

_DATE = re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\Z")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?\Z")
_DATES = {"00080020": "Study Date", "00080021": "Series Date", "00080022": "Acquisition Date"} | {
    "00080023": "Content Date",
    "00100030": "Patient's Birth Date",
}
_TIMES = {"00080030": "Study Time", "00080031": "Series Time", "00080032": "Acquisition Time"} | {
    "00080033": "Content Time"
}
_NATIVE = frozenset(
    ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
)


def read_uid(attributes: Mapping[str, Any], key: str, name: str, findings: Findings) -> str:
    """Return the one UID of an element.

    Raises
    ------
    MissingAttribute
        If it is absent, empty or has several values.
    InvalidUid
        If it is malformed.
    """
    label = f"{name} ({key[:4]},{key[4:]})"
    values = attributes.get(key, {}).get("Value", ())
    if len(values) != 1 or not isinstance(values[0], str):
        raise MissingAttribute(f"{label} is {'multi-valued' if len(values) > 1 else 'missing'}")
    return check_uid(values[0], label, findings)


def check_meta(meta: FileMeta, sop_class_uid: str, sop_instance_uid: str, findings: Findings) -> None:
    """Hold the file meta against the data set: the data set decides, what differs is said.

    Anonymisers and routers are known to rewrite the one and forget the other.
    """
    if not meta.media_storage_sop_instance_uid:
        findings.warn("file meta: Media Storage SOP Instance UID (0002,0003) is missing")
    elif meta.media_storage_sop_instance_uid != sop_instance_uid:
        findings.warn("Media Storage SOP Instance UID (0002,0003) differs from SOP Instance UID (0008,0018)")
    if meta.media_storage_sop_class_uid not in ("", sop_class_uid):
        findings.contradict("Media Storage SOP Class UID (0002,0002) differs from SOP Class UID (0008,0016)")


def check_distinct(uids: Mapping[str, str], findings: Findings) -> None:
    """Warn when two levels share one UID; `uids` is by name of the level.

    Standard: PS3.5 9
    """
    names: dict[str, str] = {}
    for name, uid in uids.items():
        if uid in names:
            findings.contradict(f"{names[uid]} Instance UID and {name} Instance UID are the same")
        names[uid] = name


def check_directory(sop_class_uid: str, attributes: Mapping[str, Any]) -> None:
    """Refuse a DICOMDIR.

    Raises
    ------
    DirectoryFile
        Always when it is one.
    """
    if sop_class_uid == DIRECTORY_SOP_CLASS or "00041220" in attributes:
        raise DirectoryFile("a DICOMDIR is a directory, not an instance: send the files it lists")


def check_plausibility(
    attributes: Mapping[str, Any], pixel: PixelElement | None, transfer_syntax_uid: str, findings: Findings
) -> None:
    """Warn about dates, times and pixel descriptions that cannot be true."""
    for names, pattern in ((_DATES, _DATE), (_TIMES, _TIME)):
        for key, name in names.items():
            for value in attributes.get(key, {}).get("Value", ()):
                if isinstance(value, str) and not pattern.match(value):
                    findings.warn(f"{name} ({key[:4]},{key[4:]}) is not possible")
    if not attributes.get("00100020", {}).get("Value"):
        findings.warn("Patient ID (0010,0020) is missing or empty")
    if pixel is not None:
        _check_pixels(attributes, pixel, transfer_syntax_uid, findings)
    elif "00280010" in attributes and "00280011" in attributes:
        findings.contradict("Rows and Columns are given but there is no pixel data")


def _check_pixels(
    attributes: Mapping[str, Any], pixel: PixelElement, transfer_syntax_uid: str, findings: Findings
) -> None:
    numbers = {name: read_number(attributes, key) for name, key in _PIXEL_KEYS.items()}
    missing = [name for name in ("Rows", "Columns", "Bits Allocated") if not numbers[name]]
    for name in missing:
        findings.contradict(f"{name} is missing, zero or no number: the pixels cannot be shown")
    bits_allocated, bits_stored = numbers["Bits Allocated"], numbers["Bits Stored"]
    if bits_allocated and bits_stored and bits_stored > bits_allocated:
        findings.contradict(f"Bits Stored {bits_stored} is more than Bits Allocated {bits_allocated}")
    if missing or pixel.value_length is None or transfer_syntax_uid not in _NATIVE:
        return
    frame_bits, frames = compute_frame_bits(attributes), read_number(attributes, "00280008", 1)
    expected = (frame_bits * frames + 7) // 8 if frame_bits and frames else 0
    if pixel.value_length < expected:
        findings.contradict(f"pixel data has {pixel.value_length} bytes, {expected} are described")


_PIXEL_KEYS = {
    "Rows": "00280010",
    "Columns": "00280011",
    "Bits Allocated": "00280100",
    "Bits Stored": "00280101",
}


def read_number(attributes: Mapping[str, Any], key: str, default: int | None = None) -> int | None:
    """Return the first value of an element if it is a number, else `default`."""
    values = attributes.get(key, {}).get("Value", ())
    return values[0] if values and isinstance(values[0], int) else default


def compute_frame_bits(attributes: Mapping[str, Any]) -> int | None:
    """Return how many bits of native pixel data the attributes describe for one frame; None if they do not say.

    YBR_FULL_422 has two chroma samples for two pixels.

    Standard: PS3.3 C.7.6.3.1.2, PS3.5 8.1.1
    """
    rows, columns = read_number(attributes, "00280010"), read_number(attributes, "00280011")
    bits_allocated = read_number(attributes, "00280100")
    samples = read_number(attributes, "00280002", 1)
    if not rows or not columns or not bits_allocated or not samples:
        return None
    if min(rows, columns, bits_allocated, samples) < 0:
        return None
    if samples == 3 and attributes.get("00280004", {}).get("Value") == ["YBR_FULL_422"]:
        samples = 2
    return rows * columns * samples * bits_allocated
