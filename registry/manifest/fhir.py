"""A study's manifest as a FHIR document: plain dicts, no models.

Standard: IHE RAD MADO 6.X.3; FHIR R4 documents.html
"""

from html import escape
from uuid import NAMESPACE_OID, uuid5

from registry.manifest.fhir_values import (
    IDENTIFIER_TYPES,
    Resource,
    write_coding,
    write_date_time,
    write_gender,
    write_identifier,
    write_names,
)
from registry.manifest.model import (
    Identifier,
    InstanceContent,
    ManifestIdentity,
    OrderContent,
    SeriesContent,
    Source,
    StudyContent,
)

DEFINITIONS = "https://profiles.ihe.net/RAD/MADO/StructureDefinition"
CODE_SYSTEMS = "https://profiles.ihe.net/RAD/MADO/CodeSystem"
REGION_EXTENSION = f"{DEFINITIONS}/MadoAnatomicalRegionExtension"
FRAMES_EXTENSION = f"{DEFINITIONS}/MadoNumberOfFrames"
TITLE_EXTENSION = f"{DEFINITIONS}/MadoKoDocumentTitle"
LOCATION_EXTENSION = f"{DEFINITIONS}/MadoRetrieveLocationUIDExtension"
ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
UID_CLASSES = "http://dicom.nema.org/resources/CodeSystem/DICOM_UIDs"
NO_ADDRESS = "http://notspecified"
CONNECTION_TYPES = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
NO_PAYLOAD = {
    "system": "http://terminology.hl7.org/CodeSystem/endpoint-payload-type",
    "code": "none",
    "display": "None",
}
STUDY_UID_TYPE = (DCM, "110180", "Study Instance UID")
ACCESSION_TYPES = ((IDENTIFIER_TYPES, "ACSN", "Accession ID"), (DCM, "121022", "Accession Number"))
PLACER_TYPE = (IDENTIFIER_TYPES, "PLAC", "Placer Identifier")
FILLER_TYPE = (IDENTIFIER_TYPES, "FILL", "Filler Identifier")
AE_TITLE_TYPE = (DCM, "110119", "Station AE Title")
REQUESTED_PROCEDURE_ID = "Requested Procedure ID"
STUDY_ID = "Study ID"
MANIFEST_TYPE = {"system": "http://loinc.org", "code": "18748-4", "display": "Diagnostic imaging study"}
MANIFEST_CATEGORY = {
    "system": "http://hl7.eu/fhir/eu-health-data-api/CodeSystem/eehrxf-document-priority-category-cs",
    "code": "Medical-Imaging",
    "display": "Medical-Imaging",
}
PAYLOAD_MIME_TYPES = [
    "application/dicom",
    "application/octet-stream",
    "application/dicom+xml",
    "application/json",
    "application/dicom+json",
]
MAX_NUMBER = 2**31 - 1


def write_bundle(content: StudyContent, identity: ManifestIdentity) -> Resource:
    """Return the document Bundle; its identifier is the UID of the key object that says the same."""
    names = _Names(identity.sop_instance_uid)
    sources = list(dict.fromkeys(series.source for series in content.series))
    resources = [
        _write_composition(content, identity, names),
        _write_study(content, names, sources),
        _write_patient(content, names),
        _write_device(content, names),
        _write_organization(content, names),
        *(_write_order(order, index, names) for index, order in enumerate(content.orders)),
        *(_write_endpoint(source, index, names) for index, source in enumerate(sources)),
        *([_write_viewer(content.viewer_url, names)] if content.viewer_url else []),
    ]
    return {
        "resourceType": "Bundle",
        "id": names.id_of("Bundle"),
        "meta": {"profile": [f"{DEFINITIONS}/MadoFhirBundle"]},
        "identifier": _document_identifier(identity),
        "type": "document",
        "timestamp": _made_at(content, identity),
        "entry": [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in resources],
    }


class _Names:
    """The ids of the resources of one document: the same for the same document, whoever makes it."""

    def __init__(self, document_uid: str) -> None:
        self._space = uuid5(NAMESPACE_OID, document_uid)

    def id_of(self, resource_type: str, index: int = 0) -> str:
        return str(uuid5(self._space, f"{resource_type}/{index}"))

    def refer(self, resource_type: str, index: int = 0, kind: str = "", display: str = "") -> Resource:
        reference = {"reference": f"urn:uuid:{self.id_of(resource_type, index)}"}
        reference["type"] = kind or resource_type
        return reference | ({"display": display} if display else {})


def _document_identifier(identity: ManifestIdentity) -> Resource:
    return {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{identity.sop_instance_uid}"}


def _made_at(content: StudyContent, identity: ManifestIdentity) -> str:
    return write_date_time(identity.made[:8], identity.made[8:], content.timezone)


def title_of(content: StudyContent) -> str:
    """Return what a reader calls the study: its description, else its modalities."""
    return content.description or " ".join((*content.modalities, "study")).strip()


def _write_composition(content: StudyContent, identity: ManifestIdentity, names: _Names) -> Resource:
    return {
        "resourceType": "Composition",
        "id": names.id_of("Composition"),
        "meta": {"profile": [f"{DEFINITIONS}/MadoComposition"]},
        "text": _narrate(
            f"{title_of(content)}: {len(content.series)} series, {content.number_of_instances} instances"
        ),
        "identifier": _document_identifier(identity),
        "status": "final",
        "type": {"coding": [MANIFEST_TYPE]},
        "category": [{"coding": [MANIFEST_CATEGORY]}],
        "subject": names.refer("Patient"),
        "date": _made_at(content, identity),
        "author": [names.refer("Device"), names.refer("Organization")],
        "title": title_of(content),
        "event": [{"detail": [names.refer("ImagingStudy")]}],
        "section": [_write_section(series, number) for number, series in enumerate(content.series, 1)],
    }


def _write_section(series: SeriesContent, number: int) -> Resource:
    words = (series.modality, series.description, f"{len(series.instances)} instances")
    text = ", ".join(word for word in words if word)
    return {
        "title": f"Series {series.series_number if series.series_number is not None else number}",
        "text": _narrate(f"{text} ({series.series_instance_uid})"),
    }


def _narrate(text: str) -> Resource:
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(_printable(text))}</p></div>',
    }


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())


def _write_study(content: StudyContent, names: _Names, sources: list[Source]) -> Resource:
    places = {source: index for index, source in enumerate(sources)}
    study: Resource = {
        "resourceType": "ImagingStudy",
        "id": names.id_of("ImagingStudy"),
        "meta": {"profile": [f"{DEFINITIONS}/MadoImagingStudy"]},
        "extension": [
            {"url": REGION_EXTENSION, "valueCodeableConcept": {"coding": [write_coding(region)]}}
            for region in content.regions
        ],
        "contained": _write_referrer(content),
        "identifier": _study_identifiers(content),
        "status": "available",
        "modality": [{"system": DCM, "code": modality} for modality in content.modalities],
        "subject": names.refer("Patient"),
        "started": write_date_time(content.date, content.time, content.timezone),
        "basedOn": [
            names.refer("ServiceRequest", index)
            | (
                {"identifier": write_identifier(order.accession, *ACCESSION_TYPES)}
                if order.accession.value
                else {}
            )
            for index, order in enumerate(content.orders)
        ],
        "referrer": {"reference": "#referrer"} if content.referring_physician_name else None,
        "endpoint": [names.refer("Viewer", kind="Endpoint")] if content.viewer_url else [],
        "numberOfSeries": len(content.series),
        "numberOfInstances": content.number_of_instances,
        "procedureCode": _write_procedures(content),
        "description": content.description,
        "series": [
            _write_series(series, content.timezone, names.refer("Source", places[series.source], "Endpoint"))
            for series in content.series
        ],
    }
    return {key: value for key, value in study.items() if value not in (None, "", [])}


def _study_identifiers(content: StudyContent) -> list[Resource]:
    uid = Identifier(f"urn:oid:{content.study_instance_uid}", "urn:dicom:uid")
    identifiers = [write_identifier(uid, STUDY_UID_TYPE)]
    if content.study_id:
        identifiers.append({"use": "secondary", "type": {"text": STUDY_ID}, "value": content.study_id})
    return identifiers


def _write_referrer(content: StudyContent) -> list[Resource]:
    names = write_names(content.referring_physician_name)
    return [{"resourceType": "Practitioner", "id": "referrer", "name": names}] if names else []


def _write_procedures(content: StudyContent) -> list[Resource]:
    """Write the procedures; one at least that a person can read."""
    procedures: list[Resource] = [{"coding": [write_coding(code)]} for code in content.procedure_codes]
    if not any(code.meaning for code in content.procedure_codes):
        procedures.append({"text": title_of(content)})
    return procedures


def _write_series(series: SeriesContent, zone: str, endpoint: Resource) -> Resource:
    number = series.series_number
    written: Resource = {
        "uid": series.series_instance_uid,
        "number": number if number is not None and 0 <= number <= MAX_NUMBER else None,
        "modality": _write_modality(series.modality),
        "description": series.description,
        "numberOfInstances": len(series.instances),
        "endpoint": [endpoint],
        "bodySite": write_coding(series.region) if series.region else None,
        "started": write_date_time(series.date, series.time, zone),
        "instance": [_write_instance(instance) for instance in series.instances],
    }
    return {key: value for key, value in written.items() if value not in (None, "")}


def _write_modality(modality: str) -> Resource:
    if modality:
        return {"system": DCM, "code": modality}
    return {"extension": [{"url": ABSENT_REASON, "valueCode": "unknown"}]}


def _write_instance(instance: InstanceContent) -> Resource:
    written: Resource = {
        "uid": instance.sop_instance_uid,
        "sopClass": {"system": UID_CLASSES, "code": f"urn:oid:{instance.sop_class_uid}"},
    }
    extensions: list[Resource] = []
    if instance.number_of_frames is not None:
        extensions.append({"url": FRAMES_EXTENSION, "valueInteger": instance.number_of_frames})
    if instance.title:
        extensions.append(
            {"url": TITLE_EXTENSION, "valueCodeableConcept": {"coding": [write_coding(instance.title)]}}
        )
    if extensions:
        written["extension"] = extensions
    number = instance.instance_number
    if number is not None and 0 <= number <= MAX_NUMBER:
        written["number"] = number
    if instance.description:
        written["title"] = instance.description
    return written


def _write_patient(content: StudyContent, names: _Names) -> Resource:
    patient = content.patient
    written: Resource = {
        "resourceType": "Patient",
        "id": names.id_of("Patient"),
        "meta": {"profile": [f"{DEFINITIONS}/MadoPatient"]},
        "identifier": [write_identifier(number) for number in patient.identifiers],
        "name": write_names(patient.name),
        "gender": write_gender(patient.sex),
        "birthDate": write_date_time(patient.birth_date, "", ""),
    }
    return {key: value for key, value in written.items() if value}


def _write_device(content: StudyContent, names: _Names) -> Resource:
    device: Resource = {
        "resourceType": "Device",
        "id": names.id_of("Device"),
        "meta": {"profile": [f"{DEFINITIONS}/MadoCreator"]},
        "manufacturer": content.manufacturer,
        "deviceName": [{"name": "Samsyn", "type": "user-friendly-name"}],
        "type": {
            "coding": [
                {
                    "system": f"{CODE_SYSTEMS}/MadoDeviceType",
                    "code": "mado-creator",
                    "display": "MADO Creator",
                }
            ]
        },
        "owner": names.refer("Organization"),
    }
    return {key: value for key, value in device.items() if value}


def _write_organization(content: StudyContent, names: _Names) -> Resource:
    institution = content.institution
    organization: Resource = {
        "resourceType": "Organization",
        "id": names.id_of("Organization"),
        "meta": {"profile": [f"{DEFINITIONS}/MadoCreatorOrganization"]},
        "identifier": [write_identifier(institution.number)] if institution.number.value else [],
        "name": institution.name,
    }
    if not institution.name:
        organization["_name"] = {"extension": [{"url": ABSENT_REASON, "valueCode": "unknown"}]}
    return {key: value for key, value in organization.items() if value}


def _write_order(order: OrderContent, index: int, names: _Names) -> Resource:
    identifiers = [
        write_identifier(number, *types)
        for number, types in (
            (order.accession, ACCESSION_TYPES),
            (order.placer, (PLACER_TYPE,)),
            (order.filler, (FILLER_TYPE,)),
        )
        if number.value
    ]
    if order.requested_procedure_id:
        kind = {"type": {"text": REQUESTED_PROCEDURE_ID}}
        identifiers.append(kind | {"value": order.requested_procedure_id})
    code: Resource = {
        "coding": [write_coding(code) for code in order.procedure_codes],
        "text": order.description,
    }
    code = {key: value for key, value in code.items() if value}
    request: Resource = {
        "resourceType": "ServiceRequest",
        "id": names.id_of("ServiceRequest", index),
        "meta": {"profile": [f"{DEFINITIONS}/MadoRequestedProcedure"]},
        "identifier": identifiers,
        "status": "completed",
        "intent": "order",
        "category": [
            {"coding": [{"system": "http://snomed.info/sct", "code": "363679005", "display": "Imaging"}]}
        ],
        "code": code,
        "subject": names.refer("Patient"),
    }
    return {key: value for key, value in request.items() if value}


def _write_endpoint(source: Source, index: int, names: _Names) -> Resource:
    endpoint: Resource = {
        "resourceType": "Endpoint",
        "id": names.id_of("Source", index),
        "meta": {"profile": [f"{DEFINITIONS}/MadoWadoEndpoint"]},
        "status": "active",
        "connectionType": {"system": CONNECTION_TYPES, "code": "dicom-wado-rs", "display": "DICOM WADO-RS"},
        "payloadType": [{"coding": [NO_PAYLOAD], "text": "DICOM WADO-RS"}],
        "payloadMimeType": PAYLOAD_MIME_TYPES,
        "address": source.retrieve_url or NO_ADDRESS,
    }
    if source.retrieve_location_uid:
        endpoint["extension"] = [{"url": LOCATION_EXTENSION, "valueString": source.retrieve_location_uid}]
    if source.retrieve_ae_title:
        endpoint["identifier"] = [write_identifier(Identifier(source.retrieve_ae_title), AE_TITLE_TYPE)]
    if not source.retrieve_url:
        endpoint["_address"] = {"extension": [{"url": ABSENT_REASON, "valueCode": "unknown"}]}
    return endpoint


def _write_viewer(url: str, names: _Names) -> Resource:
    return {
        "resourceType": "Endpoint",
        "id": names.id_of("Viewer"),
        "meta": {"profile": [f"{DEFINITIONS}/MadoWebViewerEndpoint"]},
        "status": "active",
        "connectionType": {"system": f"{CODE_SYSTEMS}/MadoEndpointConnectionTypes", "code": "web-viewer"},
        "payloadType": [{"coding": [NO_PAYLOAD]}],
        "payloadMimeType": ["text/html"],
        "address": url,
    }
