"""What was registered, out of the journal: submissions with entries, folders and associations, and their bytes."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Model

from access.models import Department
from registry.document_patients import read_number
from registry.identity import Demographics, find_or_create_patient
from registry.models import (
    Association,
    DocumentCode,
    DocumentEntry,
    Folder,
    Patient,
    ReferenceId,
    Study,
    SubmissionSet,
)
from registry.models.document import DEPRECATED
from repository.journal.columns import read_values
from repository.journal.documents import CODE_COLUMNS, REFERENCE_COLUMNS
from repository.journal.files import Entry
from repository.models import StoredDocument
from repository.rebuild.rows import UnknownName
from repository.rebuild.workflow import find_order, find_version


def restore_documents(entry: Entry) -> bool:
    """Write what a line says of documents; False if it is there already.

    Raises
    ------
    UnknownName
        It names a patient or an entry that did not come back.
    """
    return _deprecate(entry) if entry["kind"] == "document_deprecated" else _restore_submission(entry)


def _deprecate(entry: Entry) -> bool:
    [uuid] = entry["key"]
    rows = DocumentEntry.objects.filter(entry_uuid=uuid)
    if not rows.exists():
        raise UnknownName(f"there is no document entry {uuid}")
    moment = datetime.fromisoformat(entry["updated_at"])
    return bool(rows.exclude(status=DEPRECATED).update(status=DEPRECATED, updated_at=moment))


def _restore_submission(entry: Entry) -> bool:
    _touch(entry["touched"])
    if SubmissionSet.objects.filter(entry_uuid=entry["set"]["entry_uuid"]).exists():
        return False
    who = Demographics(**entry["described"])
    submitted = SubmissionSet.objects.create(**_columns(SubmissionSet, entry["set"], who))
    for told in entry["folders"]:
        Folder.objects.create(**_columns(Folder, told, who))
    for told in entry["entries"]:
        _restore_entry(told, submitted, who)
    for told in entry["associations"]:
        Association.objects.create(**read_values(Association, told), submission_set=submitted)
    _touch(entry["touched"])
    return True


def _restore_entry(told: Entry, submitted: SubmissionSet, who: Demographics) -> None:
    study = Study.objects.filter(study_instance_uid=told["study"] or "").first()
    columns = _columns(DocumentEntry, told, who) | {
        "submission_set": submitted,
        "study": study,
        "order": find_order(told.get("order")),
        "report_version": find_version(told.get("report_version")),
    }
    row = DocumentEntry.objects.create(**columns)
    DocumentCode.objects.bulk_create(
        DocumentCode(entry=row, **dict(zip(CODE_COLUMNS, code, strict=True))) for code in told["codes"]
    )
    ReferenceId.objects.bulk_create(
        ReferenceId(entry=row, **dict(zip(REFERENCE_COLUMNS, reference, strict=True)))
        for reference in told["references"]
    )
    if told["content"] is not None:
        _restore_content(row.unique_id, told["content"])


def _restore_content(unique_id: str, told: Entry) -> None:
    columns = told | {name: bytes.fromhex(told[name]) for name in ("sha1", "sha256")}
    columns |= {name: _moment(told[name]) for name in ("stored_at", "purged_at")}
    StoredDocument.objects.get_or_create(unique_id=unique_id, defaults=columns)


def _columns(model: type[Model], told: Entry, who: Demographics) -> dict[str, Any]:
    """Return the columns of a row: those of its own, the department, and whose it is."""
    values = read_values(model, told)
    values["department"] = _department(told["department"])
    values["patient"] = _patient(told["patient_id_as_sent"], who)
    return values


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _department(hsa_id: str | None) -> Department | None:
    if hsa_id is None:
        return None
    row = Department.objects.filter(hsa_id=hsa_id).first()
    if row is None:
        raise UnknownName(f"there is no Department {hsa_id}")
    return row


def _patient(cx: str, who: Demographics) -> Patient:
    """Return whose number it was at that moment: merges are done again in the order in which they were made."""
    number = read_number(cx)
    if number is None:
        raise UnknownName("it was submitted under no number")
    return find_or_create_patient(number, who)


def _touch(touched: Iterable[tuple[str, str]]) -> None:
    for uuid, moment in touched:
        rows = Folder.objects.filter(entry_uuid=uuid, last_update_time__lt=moment)
        rows.update(last_update_time=moment)
