"""What a store answers for each part."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from registry.received import Outcome

COERCION_OF_DATA_ELEMENTS = 0xB000
DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xB007
FIRST_VERSION_KEPT = 0xB00E
"""Our own code, as PS3.18 I.2.1 allows: B000 would say that the stored object was changed, and it was not."""
DUPLICATE_SOP_INSTANCE = 0x0111
NOT_AUTHORISED = 0x0124
STUDY_MISMATCH = 0xA900
OUT_OF_RESOURCES = 0xA700
_OTHER_CONTENT = (
    "known with other content; the first version stays",
    (
        "This SOP Instance UID is stored already with other content; the first version stays. Send changed"
        " content under a new UID."
    ),
)
REFUSALS: dict[Outcome, tuple[int, str, str]] = {
    Outcome.OTHER_BYTES: (DUPLICATE_SOP_INSTANCE, *_OTHER_CONTENT),
    Outcome.OTHER_STUDY: (DUPLICATE_SOP_INSTANCE, *_OTHER_CONTENT),
    Outcome.OTHER_SERIES: (
        DUPLICATE_SOP_INSTANCE,
        "known in another series; the first version stays",
        "This SOP Instance UID is stored already in another series of the study; the first version stays.",
    ),
    Outcome.OTHER_PATIENT: (
        STUDY_MISMATCH,
        "this study belongs to another patient",
        (
            "This Study Instance UID belongs to another patient. Nothing was merged; correct PatientID and issuer,"
            " or have the conflict resolved in the portal."
        ),
    ),
    Outcome.NOT_CUSTODIAN: (
        NOT_AUTHORISED,
        "this study is kept by another care provider",
        "This study is kept by another care provider; only its own systems may add to it.",
    ),
    Outcome.REJECTED: (
        NOT_AUTHORISED,
        "rejected here; send it under a new UID",
        (
            "This SOP Instance was rejected here and does not come back under its UID; send the corrected object"
            " under a new one, or have the rejection undone."
        ),
    ),
}
"""Failure reason, summary and whole comment of an instance that registration refused."""


@dataclass(frozen=True, slots=True)
class PartResult:
    """What became of one part.

    `failure_reason` is None for success; `sop_instance_uid` is empty for a part without identity. `summary` is the
    comment in at most 50 characters, where one was written for it; `file_name` is the name that the sender gave
    the part, as in an archive. `warnings` are remarks for people; `warning_reason` is the code of the one that
    matters to programs, None where the instance is as good as any. `other_sha256` is the hash of what was sent where
    another content is known under its UID; `is_first_kept` says that the sender is told of it by a warning.
    `original_attributes` is the item (DICOM JSON) that tells what was changed while the instance was stored.
    """

    part_number: int
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    failure_reason: int | None = None
    comment: str = ""
    summary: str = ""
    file_name: str = ""
    is_duplicate: bool = False
    is_first_kept: bool = False
    other_sha256: bytes = b""
    original_attributes: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    warning_reason: int | None = None


def keep_first(result: PartResult) -> PartResult:
    """Return the result for an instance whose UID holds another content, for a sender that takes that as success."""
    summary, sentence = _OTHER_CONTENT
    return replace(
        result,
        is_first_kept=True,
        is_duplicate=False,
        summary=summary,
        warnings=(sentence,),
        warning_reason=FIRST_VERSION_KEPT,
    )
