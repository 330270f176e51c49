"""A DocumentReference that was sent, as a document entry.

Standard: IHE ITI TF-3 4.5.1.1 (MHD)
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from registry.fhir.documents.code_systems import code_of, codes_of, first_code_of
from registry.fhir.documents.entry_form import BODY_SITE, MODALITY, UNIQUE_ID_SYSTEM
from registry.fhir.documents.hl7_texts import cx_of_identifier, pid_of_patient
from registry.fhir.documents.identifiers import cxi_of_related, entry_uuid_of, unique_id_of
from registry.fhir.documents.people import Resolve, read_authors, read_person
from registry.fhir.documents.times import dtm_of_date_time
from registry.fhir.errors import UnheldContent
from registry.fhir.structure import Resource
from registry.submission import Code, EntryDraft

LOCAL_EXTENSIONS = {
    "https://profiles.ihe.net/RAD/MADO/StructureDefinition/ext-R5-DocumentReference.modality": MODALITY,
    "https://profiles.ihe.net/RAD/MADO/StructureDefinition/ext-R5-DocumentReference.bodySite": BODY_SITE,
}
SHA1_BYTES = 20


@dataclass(frozen=True, slots=True)
class Told:
    """What the reader of a DocumentReference is told: whose it is, and where its references lead.

    `symbol` is the id within the submission where the resource brings none.
    """

    patient_id: str
    symbol: str
    resolve: Resolve
    path: str = "DocumentReference"


def read_document_reference(sent: Resource, told: Told) -> EntryDraft:
    """Read a DocumentReference.

    Raises
    ------
    UnheldContent
        A value that no metadata can hold; the expression says which.
    """
    identifiers = sent.get("identifier", [])
    unique_id, system = unique_id_of(choose_master(sent))
    attachment, content = _only_attachment(sent, told.path)
    context = sent.get("context", {})
    period, source = context.get("period", {}), context.get("sourcePatientInfo", {})
    patient = told.resolve(source) or {}
    format_code = content.get("format")
    at = f"{told.path}.content[0].attachment"
    return EntryDraft(
        entry_uuid=entry_uuid_of(identifiers, unique_id) or told.symbol,
        unique_id=unique_id,
        patient_id=told.patient_id,
        mime_type=str(attachment.get("contentType", "")),
        class_code=first_code_of(sent.get("category", [])),
        type_code=first_code_of([sent.get("type", {})]),
        format_code=code_of(format_code) if format_code else None,
        practice_setting_code=first_code_of([context.get("practiceSetting", {})]),
        healthcare_facility_type_code=first_code_of([context.get("facilityType", {})]),
        event_codes=_read_event_codes(sent),
        confidentiality_codes=codes_of(sent.get("securityLabel", [])),
        source_patient_id=_read_source_id(source, patient),
        source_patient_info=pid_of_patient(patient),
        language_code=str(attachment.get("language", "")),
        title=str(attachment.get("title", "")),
        comments=str(sent.get("description", "")),
        creation_time=_read_time(attachment, "creation", at) or _read_time(sent, "date", told.path),
        service_start_time=_read_time(period, "start", f"{told.path}.context.period"),
        service_stop_time=_read_time(period, "end", f"{told.path}.context.period"),
        authors=read_authors(sent.get("author", []), told.resolve),
        legal_authenticator=read_person(sent.get("authenticator", {}), told.resolve),
        hash=read_hash(attachment.get("hash"), f"{at}.hash"),
        size=attachment.get("size"),
        references=tuple(filter(None, map(cxi_of_related, context.get("related", [])))),
        extra={UNIQUE_ID_SYSTEM: (system,)} if system else {},
    )


def choose_master(sent: Resource) -> Resource:
    """Return the identifier of the document itself: the master, else that of usual use, else one that is no UUID."""
    if "masterIdentifier" in sent:
        return dict(sent["masterIdentifier"])
    identifiers = [dict(each) for each in sent.get("identifier", [])]
    for each in identifiers:
        if each.get("use") == "usual":
            return each
    return next((each for each in identifiers if each.get("use") != "official"), {})


def read_hash(text: Any, path: str) -> str:
    """Read a SHA-1 as hex: base64 of its bytes, or, as many write it, of its hex digits, or these themselves.

    Raises
    ------
    UnheldContent
        It is none.
    """
    if not text:
        return ""
    if len(text) == 2 * SHA1_BYTES and _is_hex(text):
        return str(text).lower()
    try:
        digest = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) == SHA1_BYTES:
        return digest.hex()
    if len(digest) == 2 * SHA1_BYTES and _is_hex(digest.decode("latin-1")):
        return digest.decode("latin-1").lower()
    raise UnheldContent("the hash is the base64 of a SHA-1 (20 bytes)", path)


def _is_hex(text: str) -> bool:
    return all(char in "0123456789abcdefABCDEF" for char in text)


def _only_attachment(sent: Resource, path: str) -> tuple[Resource, Resource]:
    contents = sent.get("content", [])
    if len(contents) != 1 or "attachment" not in contents[0]:
        raise UnheldContent(f"a document has one content with an attachment, not {len(contents)}", path)
    return dict(contents[0]["attachment"]), dict(contents[0])


def _read_event_codes(sent: Resource) -> tuple[Code, ...]:
    """Read the events, and the modalities and regions that stand in extensions only."""
    codes = list(codes_of(sent.get("context", {}).get("event", [])))
    known = {(code.code, code.scheme) for code in codes}
    for code in codes_of(_find_concepts(sent.get("extension", []))):
        if (code.code, code.scheme) not in known:
            codes.append(code)
            known.add((code.code, code.scheme))
    return tuple(codes)


def _find_concepts(extensions: Iterable[Resource]) -> list[Resource]:
    """Return the concepts of the extensions for modality and body site, bare or with a part for the concept."""
    found: list[Resource] = []
    for extension in extensions:
        url = extension.get("url", "")
        if LOCAL_EXTENSIONS.get(url, url) in (MODALITY, BODY_SITE):
            inner = [extension, *extension.get("extension", [])]
            found += [each["valueCodeableConcept"] for each in inner if "valueCodeableConcept" in each]
    return found


def _read_source_id(source: Resource, patient: Resource) -> str:
    identifier: Resource = source.get("identifier") or next(iter(patient.get("identifier", [])), {})
    return cx_of_identifier(identifier)


def _read_time(holder: Resource, name: str, path: str) -> str:
    text = holder.get(name)
    if not text:
        return ""
    try:
        return dtm_of_date_time(text)
    except (ValueError, OverflowError) as error:
        raise UnheldContent(f"{text[:40]!r} is no date or time", f"{path}.{name}") from error
