"""Instances that are stored already: recognised before they are written."""

import hashlib
import mmap
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import orjson

from access.prepared import Prepared, Slot, prepare
from registry.models import Instance, Segment, Study
from registry.received import Outcome
from repository.metadata import decompress

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


def read_stored_attributes(sop_instance_uid: str) -> dict[str, Any] | None:
    """Return the DICOM JSON model of what is stored under a SOP Instance UID."""
    rows = Instance.objects.filter(sop_instance_uid=sop_instance_uid)
    row = rows.values_list("segment_id", "segment__pack_key", "metadata_offset", "metadata_length").first()
    if row is None:
        return None
    segment_id, pack_key, start, length = row
    attributes: dict[str, Any] = orjson.loads(_read_document(segment_id, pack_key)[start : start + length])
    return attributes


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


@lru_cache(maxsize=2)
def _read_document(segment_id: int, pack_key: str) -> bytes:
    """Return a segment's document, which never changes; a series sent again asks for one all the time.

    The key of the pack is part of the question because it is never used again, as an id of a lost database may be.
    """
    return decompress(bytes(Segment.objects.values_list("metadata", flat=True).get(pk=segment_id)))
