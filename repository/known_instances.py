"""Instances that are stored already: recognised before they are written."""

import hashlib
import mmap
from dataclasses import dataclass
from functools import cache

from access.prepared import Prepared, Slot, prepare
from registry.models import Instance, Study
from registry.received import Outcome

PREAMBLE_BYTES = 128


@dataclass(frozen=True, slots=True)
class KnownInstance:
    """Where an instance lies and what it holds; `sha256` is over all but the preamble."""

    study_instance_uid: str
    series_instance_uid: str
    sha256: bytes


def is_known_study(study_instance_uid: str) -> bool:
    """Tell whether anything of a study was ever stored."""
    return bool(_study_by_uid().fetch(uid=study_instance_uid))


def find_known(sop_instance_uid: str) -> KnownInstance | None:
    """Return what is stored under a SOP Instance UID."""
    for study_uid, series_uid, sha256 in _instance_by_uid().fetch(uid=sop_instance_uid):
        return KnownInstance(study_uid, series_uid, bytes(sha256))
    return None


def compare(known: KnownInstance, sent: KnownInstance) -> Outcome:
    """Tell how what was sent relates to what is known under its UID."""
    if known == sent:
        return Outcome.DUPLICATE
    if known.study_instance_uid != sent.study_instance_uid:
        return Outcome.OTHER_STUDY
    is_elsewhere = known.series_instance_uid != sent.series_instance_uid
    return Outcome.OTHER_SERIES if is_elsewhere else Outcome.OTHER_BYTES


def digest(data: bytes | memoryview | mmap.mmap) -> bytes:
    """Return the SHA-256 of a PS3.10 file from behind its preamble."""
    with memoryview(data) as view:
        return hashlib.sha256(view[PREAMBLE_BYTES:]).digest()


@cache
def _study_by_uid() -> Prepared:
    return prepare(Study.objects.filter(study_instance_uid=Slot("uid")).values_list("pk"))


@cache
def _instance_by_uid() -> Prepared:
    return prepare(
        Instance.objects.filter(sop_instance_uid=Slot("uid")).values_list(
            "series__study__study_instance_uid", "series__series_instance_uid", "sha256"
        )
    )
