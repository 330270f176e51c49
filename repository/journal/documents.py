"""What was registered, as lines of the journal: a submission whole, and which entries were deprecated since."""

from collections.abc import Iterator
from typing import Any

from registry.models import Association, Change, DocumentEntry, Folder, SubmissionSet
from repository.journal.columns import plain_values
from repository.journal.files import Entry
from repository.journal.workflow import name_made_of
from repository.models import StoredDocument

DOCUMENT_KINDS = ("documents_submitted", "document_deprecated")
DESCRIBED = ("patient_name", "patient_birth_date", "patient_sex")
CODE_COLUMNS = ("kind", "position", "code", "scheme", "display")
REFERENCE_COLUMNS = ("position", "value", "type_code", "text")


def describe_documents(change: Change, head: Entry) -> Iterator[Entry]:
    """Yield the line of a submission or of an entry that was deprecated."""
    if change.kind == "document_deprecated":
        row = DocumentEntry.objects.get(pk=change.detail["entry"])
        moment = row.updated_at.isoformat()
        yield {"kind": change.kind, **head, "key": [row.entry_uuid], "updated_at": moment}
        return
    submitted = SubmissionSet.objects.select_related("department", "patient").get(pk=change.detail["set"])
    uuids = change.detail["folders"]
    links = submitted.associations.order_by("pk")
    folders = Folder.objects.select_related("department").filter(entry_uuid__in=uuids).order_by("pk")
    touched = Folder.objects.filter(entry_uuid__in=links.values("source_uuid")).order_by("pk")
    entries = submitted.entries.select_related(
        "department", "study", "order", "report_version__report"
    ).order_by("pk")
    yield {
        "kind": change.kind,
        **head,
        "key": [submitted.entry_uuid],
        "described": {name: getattr(submitted.patient, name) for name in DESCRIBED},
        "set": _describe(submitted),
        "folders": [_describe(row) for row in folders],
        "entries": [_describe_entry(row) for row in entries],
        "associations": [_describe(row) for row in links],
        "touched": [list(row) for row in touched.values_list("entry_uuid", "last_update_time")],
    }


def _describe_entry(entry: DocumentEntry) -> dict[str, Any]:
    content = StoredDocument.objects.filter(unique_id=entry.unique_id).first()
    return {
        **_describe(entry),
        **name_made_of(entry),
        "study": entry.study.study_instance_uid if entry.study else None,
        "codes": [list(row) for row in entry.codes.order_by("pk").values_list(*CODE_COLUMNS)],
        "references": [list(row) for row in entry.references.order_by("pk").values_list(*REFERENCE_COLUMNS)],
        "content": _describe_content(content) if content else None,
    }


def _describe_content(row: StoredDocument) -> dict[str, Any]:
    return {
        "key": row.key,
        "mime_type": row.mime_type,
        "size": row.size,
        "sha1": bytes(row.sha1).hex(),
        "sha256": bytes(row.sha256).hex(),
        "stored_at": row.stored_at.isoformat(),
        "purged_at": row.purged_at.isoformat() if row.purged_at else None,
    }


def _describe(row: SubmissionSet | Folder | DocumentEntry | Association) -> dict[str, Any]:
    """Return the columns of a row by name; of what it points to only the department, by its HSA-id."""
    values = plain_values(row)
    if not isinstance(row, Association):
        values["department"] = row.department.hsa_id if row.department else None
    return values
