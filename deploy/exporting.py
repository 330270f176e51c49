"""Exporting files as they were received: what a sender gave us, byte for byte from offset 128 on."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from access import audit
from access.actor import Actor, Scope
from access.database import release, run_write
from registry.identity import normalise_national
from registry.models import PatientIdentifier, Study
from registry.visibility import UnknownStudy
from repository.objects.base import UnknownObject
from repository.packs.layout import InvalidPack
from repository.packs.reader import CorruptBlock
from repository.retrieve import StoredInstance, find_instances, read_as_received

PREAMBLE_BYTES = 128
OPERATOR = Actor(
    kind="system",
    subject="export_dicom",
    scope=Scope(region_wide=True),
    permissions=frozenset({"read"}),
    purpose="administration",
)


class UnknownPatient(LookupError):
    """No patient has this number."""


class DamagedInstance(OSError):
    """The stored bytes of an instance are not those that were received; nothing of it was left in the folder."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One file that was written."""

    path: Path
    size_bytes: int


def find_studies(study_instance_uids: Iterable[str], patient_numbers: Iterable[str]) -> list[Study]:
    """Find the studies named by UID and all those of the patients named by number, each once.

    A Swedish personal number may be written with 10 or 12 digits, with or without a hyphen.

    Raises
    ------
    UnknownStudy, UnknownPatient
        For the first that does not exist.
    """
    found: dict[int, Study] = {}
    for uid in study_instance_uids:
        study = Study.objects.filter(study_instance_uid=uid).first()
        if study is None or not study.number_of_study_related_instances:
            raise UnknownStudy(f"no study has the UID {uid}")
        found[study.pk] = study
    for number in patient_numbers:
        found |= {study.pk: study for study in _studies_of_patient(number)}
    return list(found.values())


def open_study(study: Study) -> list[StoredInstance]:
    """Find the instances of a study for an export; the access log says so before the first byte leaves."""
    run_write(
        lambda: audit.record(
            OPERATOR,
            "export",
            door="command",
            study_instance_uid=study.study_instance_uid,
            patient_id=study.person_id,
        )
    )
    items = find_instances(study)
    release()
    return items


def export_instance(item: StoredInstance, folder: Path) -> Exported:
    """Write an instance as `<study>/<series>/<instance>.dcm` below a folder.

    An existing file is replaced when the new one is whole.

    Raises
    ------
    DamagedInstance
        Its pack is missing or damaged; nothing is left in the folder.
    """
    # UIDs are digits and dots, as the store has checked: none of them leads out of the folder.
    target = folder / item.study_instance_uid / item.series_instance_uid / f"{item.sop_instance_uid}.dcm"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    try:
        size_bytes = _write_verified(item, partial)
    except (CorruptBlock, InvalidPack, UnknownObject) as error:
        partial.unlink(missing_ok=True)
        raise DamagedInstance(f"instance {item.sop_instance_uid} in {item.pack_key}: {error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(target)
    return Exported(target, size_bytes)


def _studies_of_patient(number: str) -> list[Study]:
    national = normalise_national(number)
    rows = PatientIdentifier.objects.filter(value=national.value if national else number.strip())
    people = set(rows.values_list("patient_id", flat=True))
    if not people:
        raise UnknownPatient(f"no patient has the number {number}")
    there = Study.objects.filter(person__in=people, number_of_study_related_instances__gt=0)
    return list(there.order_by("study_date", "study_time", "pk"))


def _write_verified(item: StoredInstance, path: Path) -> int:
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("wb") as file:
        for block in read_as_received(item):
            file.write(block)
            digest.update(block[max(0, PREAMBLE_BYTES - size_bytes) :])
            size_bytes += len(block)
    if digest.digest() != item.sha256:
        raise DamagedInstance(f"instance {item.sop_instance_uid} in {item.pack_key} has another SHA-256")
    return size_bytes
