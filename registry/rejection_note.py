"""Rejection notes: key object selections whose title says that what they refer to is rejected.

Standard: IHE RAD TF-3 4.66, PS3.3 A.35.4, PS3.16 TID 2010
"""

from dataclasses import dataclass
from typing import Any

from registry.removed import Code, find_rejection

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance that a note refers to, by the evidence it lists."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """A note, why it rejects and what."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    code: Code
    references: tuple[Reference, ...]


def read_rejection_note(attributes: Json) -> RejectionNote | None:
    """Read a key object's DICOM JSON; None if its title is no reason for rejection.

    What is referred to is what Current Requested Procedure Evidence Sequence lists.
    """
    code = _title_of(attributes)
    if code is None:
        return None
    references = []
    for study in _items(attributes, "0040A375"):
        for series in _items(study, "00081115"):
            place = (_text(study, "0020000D"), _text(series, "0020000E"))
            references += [Reference(*place, _text(i, "00081155")) for i in _items(series, "00081199")]
    study_uid, series_uid, uid = (_text(attributes, tag) for tag in ("0020000D", "0020000E", "00080018"))
    return RejectionNote(study_uid, series_uid, uid, code, tuple(references))


def _title_of(attributes: Json) -> Code | None:
    codes = (
        find_rejection(_text(i, "00080100"), _text(i, "00080102")) for i in _items(attributes, "0040A043")
    )
    return next((code for code in codes if code is not None), None)


def _items(attributes: Json, tag: str) -> list[Json]:
    return [item for item in attributes.get(tag, {}).get("Value") or [] if isinstance(item, dict)]


def _text(attributes: Json, tag: str) -> str:
    values = attributes.get(tag, {}).get("Value") or [""]
    return str(values[0] or "").strip()
