"""Documents, submission sets and folders as rows, for the tests of the doors that read them."""

import uuid
from typing import Any

from django.utils import timezone

from registry.models import Association, DocumentCode, DocumentEntry, Folder, ReferenceId, SubmissionSet
from tests.registry.factories import make_uid

CODES = {
    "class": ("IMAGES", "1.3.6.1.4.1.19376.1.2.6.1"),
    "type": ("18748-4", "2.16.840.1.113883.6.1"),
    "format": ("1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.2.6.1"),
    "practice_setting": ("394914008", "2.16.840.1.113883.6.96"),
    "facility_type": ("22232009", "2.16.840.1.113883.6.96"),
}
COLUMNS = {
    "class": "class_code",
    "type": "type_code",
    "format": "format_code",
    "practice_setting": "practice_setting_code",
    "facility_type": "healthcare_facility_type_code",
}
NUMBERED = (
    ("event", "CT", "1.2.840.10008.2.16.4"),
    ("event", "774007", "2.16.840.1.113883.6.96"),
    ("confidentiality", "N", "2.16.840.1.113883.5.25"),
)


def make_document(study: Any, **values: Any) -> DocumentEntry:
    """Make the entry of a document about a study, with all that a manifest has."""
    key = f"urn:uuid:{uuid.uuid4()}"
    now = timezone.now()
    made = {
        "entry_uuid": key,
        "logical_uuid": key,
        "unique_id": make_uid(),
        "patient": study.person,
        "patient_id_as_sent": "191212121212^^^&1.2.752.129.2.1.3.1&ISO",
        "source_patient_id": "L1^^^&1.2.3&ISO",
        "mime_type": "application/dicom",
        "language_code": "sv",
        "title": "DT thorax",
        "creation_time": "20250314101530",
        "creation_time_from": "20250314101530",
        "service_start_time": "20250313080000",
        "service_start_time_from": "20250313080000",
        "service_stop_time": "20250313090000",
        "authors": [{"person": "SE1^Ek^Eva^^^^^^&1.2.752.129.2.1.4.1&ISO", "institutions": ["Röntgen"]}],
        "hash": "0a4d55a8d778e5022fab701977c5d840bbc486d0",
        "size": 11,
        "department": study.custodian,
        "study": study,
        "registered_at": now,
        "updated_at": now,
    } | values
    coded = {COLUMNS[kind]: {"code": code, "scheme": scheme} for kind, (code, scheme) in CODES.items()}
    entry = DocumentEntry.objects.create(**coded | made)
    rows = [(kind, *pair) for kind, pair in CODES.items()] + list(NUMBERED)
    for position, (kind, code, scheme) in enumerate(rows):
        DocumentCode.objects.create(entry=entry, kind=kind, position=position, code=code, scheme=scheme)
    for position, (value, kind, text) in enumerate(
        (
            (study.study_instance_uid, "urn:ihe:iti:xds:2016:studyInstanceUID", "{}^^^^{}"),
            ("A1", "urn:ihe:iti:xds:2013:accession", "{}^^^&1.2.3&ISO^{}"),
        )
    ):
        ReferenceId.objects.create(
            entry=entry, position=position, value=value, type_code=kind, text=text.format(value, kind)
        )
    return entry


def relate(source: Any, kind: str, target: Any) -> Association:
    """Make an association between two objects."""
    return Association.objects.create(
        entry_uuid=f"urn:uuid:{uuid.uuid4()}",
        kind=kind,
        source_uuid=source.entry_uuid,
        target_uuid=target.entry_uuid,
    )


def make_submission_set(*held: Any, **values: Any) -> SubmissionSet:
    """Make the submission set of documents and folders."""
    made = {
        "entry_uuid": f"urn:uuid:{uuid.uuid4()}",
        "unique_id": make_uid(),
        "source_id": "1.2.752.9",
        "submission_time": "20250314101530",
        "submission_time_from": "20250314101530",
        "content_type_code": {"code": "18748-4", "scheme": "2.16.840.1.113883.6.1"},
        "authors": [{"person": "SE1^Ek^Eva"}],
        "registered_at": timezone.now(),
    } | values
    if held:
        made.setdefault("patient", held[0].patient)
        made.setdefault("department", held[0].department)
    row = SubmissionSet.objects.create(**made)
    for each in held:
        relate(row, "HasMember", each)
    return row


def make_folder(*held: Any, **values: Any) -> Folder:
    """Make a folder of documents."""
    key = f"urn:uuid:{uuid.uuid4()}"
    made = {
        "entry_uuid": key,
        "logical_uuid": key,
        "unique_id": make_uid(),
        "title": "Thorax",
        "codes": [{"code": "F1", "scheme": "1.2.9"}],
        "last_update_time": "20250315120000",
        "registered_at": timezone.now(),
    } | values
    if held:
        made |= {"patient": held[0].patient, "department": held[0].department}
    row = Folder.objects.create(**made)
    for each in held:
        relate(row, "HasMember", each)
    return row
