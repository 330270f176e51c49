"""Submissions that are good as they are, for tests to spoil."""

from dataclasses import replace
from typing import Any

from registry.identity import PatientNumber
from registry.models import Patient, PatientIdentifier
from registry.submission import (
    AssociationDraft,
    Author,
    Code,
    EntryDraft,
    FolderDraft,
    Submission,
    SubmissionSetDraft,
)
from tests.registry.factories import make_uid

DOMAIN = "1.2.752.129.2.1.3.1"
FIRST, SECOND = "191212121212", "194107088084"
RPLC = "RPLC"


def make_patient(value: str = FIRST, issuer: str = DOMAIN) -> Patient:
    """Make a patient known under a number."""
    patient = Patient.objects.create(patient_name="Test^Patient")
    number = PatientNumber(value, issuer, is_national=issuer == DOMAIN)
    PatientIdentifier.objects.create(
        patient=patient, value=number.value, issuer=number.issuer, is_national=number.is_national
    )
    return patient


def write_id(value: str = FIRST, issuer: str = DOMAIN) -> str:
    """Write a patient number as CX."""
    return f"{value}^^^&{issuer}&ISO"


def make_entry(symbol: str = "Document01", **values: Any) -> EntryDraft:
    """Make an entry with everything that is required."""
    columns: dict[str, Any] = {
        "entry_uuid": symbol,
        "unique_id": make_uid(),
        "patient_id": write_id(),
        "mime_type": "application/pdf",
        "class_code": Code("REPORTS", "1.3.6.1.4.1.19376.1.2.6.1", "Reports"),
        "type_code": Code("18748-4", "2.16.840.1.113883.6.1", "Diagnostic imaging study"),
        "format_code": Code("urn:ihe:iti:xds-sd:pdf:2008", "1.3.6.1.4.1.19376.1.2.3", "PDF"),
        "practice_setting_code": Code("394914008", "2.16.840.1.113883.6.96", "Radiology"),
        "healthcare_facility_type_code": Code("22232009", "2.16.840.1.113883.6.96", "Hospital"),
        "confidentiality_codes": (Code("N", "2.16.840.1.113883.5.25", "Normal"),),
        "source_patient_id": "4711^^^&1.2.3.4&ISO",
        "source_patient_info": ("PID-5|Test^Patient", "PID-7|19121212"),
        "language_code": "sv-SE",
        "title": "Utlåtande",
        "creation_time": "20260301",
        "service_start_time": "202603010800",
        "service_stop_time": "202603010830",
        "authors": (Author("^Läkare^Lena", ("Sjukhuset",), ("reader",), ("Radiology",)),),
        "hash": "a" * 40,
        "size": 1000,
        "repository_unique_id": "1.2.3.4.5",
    }
    return EntryDraft(**columns | values)


def make_submission(
    *entries: EntryDraft,
    links: tuple[AssociationDraft, ...] = (),
    folders: tuple[FolderDraft, ...] = (),
    **values: Any,
) -> Submission:
    """Make a submission of entries and folders with the memberships that are required."""
    columns: dict[str, Any] = {
        "entry_uuid": "SubmissionSet01",
        "unique_id": make_uid(),
        "source_id": "1.2.3.4.6",
        "patient_id": write_id(),
        "submission_time": "20260302101112",
        "content_type_code": Code("18748-4", "2.16.840.1.113883.6.1", "Diagnostic imaging study"),
    }
    submission_set = SubmissionSetDraft(**columns | values)
    drafts: list[EntryDraft | FolderDraft] = [*entries, *folders]
    members = tuple(
        link(
            "HasMember",
            submission_set.entry_uuid,
            draft.entry_uuid,
            submission_set_status="Original" if isinstance(draft, EntryDraft) else "",
        )
        for draft in drafts
    )
    return Submission((submission_set,), tuple(entries), folders, (*members, *links))


def make_folder(symbol: str = "Folder01", **values: Any) -> FolderDraft:
    """Make a folder with everything that is required."""
    columns: dict[str, Any] = {
        "entry_uuid": symbol,
        "unique_id": make_uid(),
        "patient_id": write_id(),
        "title": "Folder",
        "codes": (Code("18748-4", "2.16.840.1.113883.6.1", "Imaging"),),
    }
    return FolderDraft(**columns | values)


def link(kind: str, source: str, target: str, **values: Any) -> AssociationDraft:
    """Make an association."""
    return AssociationDraft(f"link-{kind}-{source}-{target}"[:100], kind, source, target, **values)


def spoil(submission: Submission, **values: Any) -> Submission:
    """Return the submission with other values in its first entry."""
    first, *rest = submission.entries
    return replace(submission, entries=(replace(first, **values), *rest))
