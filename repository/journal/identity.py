"""Who was found to be one person, as lines of the journal: merges, links and moves, undone or not, and fed numbers."""

from collections.abc import Iterator
from typing import Any

from registry.models import Change, Patient, PatientIdentifier, PatientMerge
from repository.journal.files import Entry

IDENTITY_KINDS = ("merge_made", "link_merged", "merge_undone", "patient_numbers")
_DESCRIBED = ("patient_name", "patient_birth_date", "patient_sex", "postal_code")


def describe_identity(change: Change, head: Entry) -> Iterator[Entry]:
    """Yield the line of a change of who is who."""
    if change.kind == "patient_numbers":
        yield _describe_numbers(change, head)
        return
    row = PatientMerge.objects.select_related("survivor", "subsumed").get(pk=change.detail["merge"])
    line: Entry = {
        "kind": change.kind,
        **head,
        "key": [row.made_at.isoformat(), row.source, row.message_id],
    }
    if change.kind == "merge_made":
        line |= {
            "merge": change.detail.get("kind", row.kind),
            "reason": row.reason,
            "survivor": _describe(row.survivor, change.detail["survivor"]),
            "subsumed": _describe(row.subsumed, change.detail["subsumed"]),
        }
    elif change.kind == "merge_undone" and row.undone_at is not None:
        line |= {
            "undone_at": row.undone_at.isoformat(),
            "undone_by": row.undone_by,
            "reason": row.undo_reason,
        }
    yield line


def _describe_numbers(change: Change, head: Entry) -> Entry:
    numbers = change.detail["numbers"]
    value, issuer, _ = numbers[0]
    known = PatientIdentifier.objects.select_related("patient").get(value=value, issuer=issuer)
    return {
        "kind": change.kind,
        **head,
        "key": [part for number in numbers for part in number[:2]],
        "patient": _describe(known.patient, numbers),
    }


def _describe(patient: Patient, numbers: list[list[Any]]) -> dict[str, Any]:
    """Name a patient by numbers, and describe who it is: there may be nothing else that does."""
    return {
        "numbers": numbers,
        "described": {column: getattr(patient, column) for column in _DESCRIBED},
    }
