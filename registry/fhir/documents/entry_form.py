"""A document entry as DocumentReference.

Standard: IHE ITI TF-3 4.5.1.1 (MHD), IHE RAD MADO 6.X (DocumentReference of a manifest)
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from registry.fhir.dates import instant
from registry.fhir.documents.code_systems import (
    DCM,
    DCM_OID,
    RAD_FORMAT_PREFIX,
    SNOMED,
    SNOMED_OID,
    coding_of,
    concept_of,
)
from registry.fhir.documents.hl7_texts import identifier_of_cx, patient_of_pid
from registry.fhir.documents.identifiers import URI, identifier_of_unique_id, related_of_cxi
from registry.fhir.documents.people import write_authors, write_person
from registry.fhir.documents.times import date_time_of_dtm, start_of_dtm
from registry.fhir.structure import Resource
from registry.submission import Code, EntryDraft

MINIMAL = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.DocumentReference"
MANIFEST_BUNDLE = "https://profiles.ihe.net/RAD/MADO/StructureDefinition/MadoFhirBundle"
_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DocumentReference."
MODALITY, BODY_SITE, CONTENT_PROFILE = f"{_R5}modality", f"{_R5}bodySite", f"{_R5}content.profile"
CONCEPT, VALUE = "concept", "value[x]"
UNIQUE_ID_SYSTEM = "urn:samsyn:masterIdentifier.system"
"""The slot that keeps the system of a unique id which is neither OID nor UUID."""

REGIONS = frozenset(
    (
        *("63337009", "38266002", "53120007", "61685007", "67734004"),
        *("774007", "113257007", "80891009", "76752008", "1141981001"),
    )
)
"""The anatomical regions of manifests (SNOMED CT). Standard: IHE RAD MADO"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a DocumentReference says beside the metadata: its place here and how it is related.

    `relations` are pairs of a code (`replaces` ...) and the id of the other; `moment` is when it was registered.
    """

    id: str
    subject: Resource
    url: str
    moment: datetime
    updated_at: datetime
    is_current: bool = True
    relations: tuple[tuple[str, str], ...] = ()


def write_document_reference(entry: EntryDraft, shown: Shown) -> Resource:
    """Make the DocumentReference of an entry."""
    contained: list[Resource] = []
    master = identifier_of_unique_id(entry.unique_id, next(iter(entry.extra.get(UNIQUE_ID_SYSTEM, ())), ""))
    optional: Resource = {
        "type": concept_of(entry.type_code) if entry.type_code else None,
        "category": [concept_of(entry.class_code)] if entry.class_code else None,
        "subject": shown.subject,
        "date": instant(start_of_dtm(entry.creation_time) or shown.moment),
        "author": write_authors(entry.authors, contained),
        "authenticator": write_person(entry.legal_authenticator, "authenticator", contained),
        "relatesTo": [
            {"code": code, "target": {"reference": f"DocumentReference/{key}"}}
            for code, key in shown.relations
        ],
        "description": entry.comments,
        "securityLabel": [concept_of(code) for code in entry.confidentiality_codes],
        "content": [_write_content(entry, shown.url)],
        "context": _write_context(entry, contained),
    }
    return {
        "resourceType": "DocumentReference",
        "id": shown.id,
        "meta": {"lastUpdated": instant(shown.updated_at), "profile": [MINIMAL]},
        **_unless_empty({"contained": contained, "extension": _write_extensions(entry.event_codes)}),
        "masterIdentifier": master,
        "identifier": [
            {"use": "usual", **master},
            {"use": "official", "system": URI, "value": entry.entry_uuid},
        ],
        "status": "current" if shown.is_current else "superseded",
        **_unless_empty(optional),
    }


def is_modality(code: Code) -> bool:
    """Tell whether an event code is that of a modality: DICOM's other codes are numbers."""
    return code.scheme in (DCM_OID, DCM) and code.code.isalpha()


def is_region(code: Code) -> bool:
    """Tell whether an event code is that of an anatomical region."""
    return code.scheme in (SNOMED_OID, SNOMED) and code.code in REGIONS


def hash_of_hex(text: str) -> str:
    """Write a SHA-1 in hex as base64 of its bytes; empty for none."""
    return b64encode(bytes.fromhex(text)).decode() if text else ""


def _write_extensions(codes: tuple[Code, ...]) -> list[Resource]:
    """Write modalities and regions, which are event codes as well: each an extension with all its codings."""
    modalities = [code for code in codes if is_modality(code)]
    regions = [code for code in codes if is_region(code)]
    found: list[Resource] = []
    if modalities:
        found.append({"url": MODALITY, "valueCodeableConcept": concept_of(*modalities)})
    if regions:
        concept = {"url": CONCEPT, "valueCodeableConcept": concept_of(*regions)}
        found.append({"url": BODY_SITE, "extension": [concept]})
    return found


def _write_content(entry: EntryDraft, url: str) -> Resource:
    attachment: Mapping[str, object] = {
        "contentType": entry.mime_type,
        "language": entry.language_code,
        "url": url,
        "size": entry.size,
        "hash": hash_of_hex(entry.hash),
        "title": entry.title,
        "creation": date_time_of_dtm(entry.creation_time),
    }
    content: Resource = {}
    if entry.format_code and entry.format_code.code.startswith(f"{RAD_FORMAT_PREFIX}MADO:fhir"):
        value = {"url": VALUE, "valueCanonical": MANIFEST_BUNDLE}
        content["extension"] = [{"url": CONTENT_PROFILE, "extension": [value]}]
    content["attachment"] = _unless_empty(attachment)
    if entry.format_code:
        content["format"] = coding_of(entry.format_code)
    return content


def _write_context(entry: EntryDraft, contained: list[Resource]) -> Resource:
    facility, setting = entry.healthcare_facility_type_code, entry.practice_setting_code
    period = {
        "start": date_time_of_dtm(entry.service_start_time),
        "end": date_time_of_dtm(entry.service_stop_time),
    }
    return _unless_empty(
        {
            "event": [concept_of(code) for code in entry.event_codes],
            "period": _unless_empty(period),
            "facilityType": concept_of(facility) if facility else None,
            "practiceSetting": concept_of(setting) if setting else None,
            "sourcePatientInfo": _write_source_patient(entry, contained),
            "related": [related_of_cxi(text) for text in entry.references],
        }
    )


def _write_source_patient(entry: EntryDraft, contained: list[Resource]) -> Resource:
    reference: Resource = {}
    if patient := patient_of_pid(entry.source_patient_info):
        contained.append({"resourceType": "Patient", "id": "source-patient", **patient})
        reference["reference"] = "#source-patient"
    if identifier := identifier_of_cx(entry.source_patient_id):
        reference["identifier"] = identifier
    return reference


def _unless_empty(elements: Mapping[str, object]) -> Resource:
    return {name: value for name, value in elements.items() if value not in (None, "", [], {})}
