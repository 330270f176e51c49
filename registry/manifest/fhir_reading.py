"""A MADO FHIR document read as what it says about a study.

Standard: IHE RAD MADO 6.X.3, 6.X.5
"""

from typing import Any

from registry.manifest.fhir import (
    FRAMES_EXTENSION,
    LOCATION_EXTENSION,
    NO_ADDRESS,
    REGION_EXTENSION,
    REQUESTED_PROCEDURE_ID,
    STUDY_ID,
    TITLE_EXTENSION,
)
from registry.manifest.fhir_values import (
    DEFAULT_ZONE,
    Resource,
    has_type,
    read_coding,
    read_concept,
    read_date_time,
    read_identifier,
    read_names,
    read_sex,
)
from registry.manifest.kos_reading import UnreadableManifest
from registry.manifest.model import (
    Code,
    Identifier,
    InstanceContent,
    Institution,
    ManifestIdentity,
    OrderContent,
    PatientContent,
    SeriesContent,
    Source,
    StudyContent,
)

_OTHER_TITLE_EXTENSIONS = ("MadoKeyObjectDocumentTitle", "MadoKoDocumentTitle")


def read_bundle(bundle: Any) -> tuple[StudyContent, ManifestIdentity]:
    """Read a document Bundle.

    Raises
    ------
    UnreadableManifest
        It is no document with one ImagingStudy that has a Study Instance UID.
    """
    if not isinstance(bundle, dict) or bundle.get("type") != "document":
        raise UnreadableManifest("Bundle.type is not document")
    document = _Document(bundle)
    studies = document.of_type("ImagingStudy")
    if len(studies) != 1:
        raise UnreadableManifest(f"the document holds {len(studies)} ImagingStudy: one manifest tells of one")
    study = studies[0]
    date, time, zone = read_date_time(str(study.get("started") or ""))
    zone = zone or DEFAULT_ZONE
    device = next(iter(document.of_type("Device")), {})
    content = StudyContent(
        study_instance_uid=_read_study_uid(study),
        date=date,
        time=time,
        timezone=zone,
        patient=_read_patient(document.find(study.get("subject"))),
        series=tuple(_read_series(row, zone, document) for row in _list(study, "series")),
        orders=_read_orders(study, document),
        regions=_read_regions(study),
        procedure_codes=_read_procedures(study),
        description=str(study.get("description") or ""),
        study_id=_read_study_id(study),
        referring_physician_name=_read_referrer(study),
        institution=_read_institution(next(iter(document.of_type("Organization")), {})),
        manufacturer=str(device.get("manufacturer") or ""),
        viewer_url=_read_viewer(study, document),
    )
    return content, _read_identity(bundle, zone)


class _Document:
    """The resources of a Bundle, by the addresses that refer to them."""

    def __init__(self, bundle: Resource) -> None:
        self._entries: list[tuple[str, Resource]] = [
            (str(entry.get("fullUrl") or ""), entry["resource"])
            for entry in _list(bundle, "entry")
            if isinstance(entry.get("resource"), dict)
        ]
        self._by_address = dict(self._entries)
        for _, resource in self._entries:
            self._by_address.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)

    def of_type(self, resource_type: str) -> list[Resource]:
        return [resource for _, resource in self._entries if resource.get("resourceType") == resource_type]

    def find(self, reference: Any) -> Resource:
        address = str(reference.get("reference") or "") if isinstance(reference, dict) else ""
        return self._by_address.get(address, {})


def _read_identity(bundle: Resource, zone: str) -> ManifestIdentity:
    uid = read_identifier(bundle.get("identifier")).value.removeprefix("urn:oid:")
    date, time, _ = read_date_time(str(bundle.get("timestamp") or ""), zone)
    return ManifestIdentity(uid, "", date + time)


def _read_study_uid(study: Resource) -> str:
    for identifier in _list(study, "identifier"):
        value = str(identifier.get("value") or "")
        if identifier.get("system") == "urn:dicom:uid" and value:
            return value.removeprefix("urn:oid:")
    raise UnreadableManifest("ImagingStudy.identifier holds no Study Instance UID (system urn:dicom:uid)")


def _read_study_id(study: Resource) -> str:
    for identifier in _list(study, "identifier"):
        kind = identifier.get("type")
        if isinstance(kind, dict) and kind.get("text") == STUDY_ID:
            return str(identifier.get("value") or "")
    return ""


def _read_referrer(study: Resource) -> str:
    referrer = study.get("referrer")
    if not isinstance(referrer, dict):
        return ""
    for resource in _list(study, "contained"):
        if f"#{resource.get('id')}" == referrer.get("reference"):
            return read_names(resource.get("name"))
    return str(referrer.get("display") or "")


def _read_regions(study: Resource) -> tuple[Code, ...]:
    found = (read_concept(value) for value in _extensions(study, REGION_EXTENSION, "valueCodeableConcept"))
    return tuple(code for code in found if code.value)


def _read_procedures(study: Resource) -> tuple[Code, ...]:
    codes = (read_concept(concept) for concept in _list(study, "procedureCode"))
    return tuple(code for code in codes if code.value)


def _read_viewer(study: Resource, document: _Document) -> str:
    for reference in _list(study, "endpoint"):
        endpoint = document.find(reference)
        connection = endpoint.get("connectionType")
        if isinstance(connection, dict) and connection.get("code") in ("web-viewer", "ihe-iid"):
            return str(endpoint.get("address") or "")
    return ""


def _read_patient(patient: Resource) -> PatientContent:
    numbers = (read_identifier(identifier) for identifier in _list(patient, "identifier"))
    birth_date, _, _ = read_date_time(str(patient.get("birthDate") or ""))
    return PatientContent(
        tuple(number for number in numbers if number.value),
        name=read_names(patient.get("name")),
        birth_date=birth_date,
        sex=read_sex(patient.get("gender")),
    )


def _read_institution(organization: Resource) -> Institution:
    numbers = [read_identifier(identifier) for identifier in _list(organization, "identifier")]
    return Institution(str(organization.get("name") or ""), numbers[0] if numbers else Identifier(""))


def _read_orders(study: Resource, document: _Document) -> tuple[OrderContent, ...]:
    orders = []
    for reference in _list(study, "basedOn"):
        request = document.find(reference)
        if request:
            orders.append(_read_order(request))
        elif (number := read_identifier(reference.get("identifier"))).value:
            orders.append(OrderContent(number))
    return tuple(orders)


def _read_order(request: Resource) -> OrderContent:
    found = {"ACSN": Identifier(""), "PLAC": Identifier(""), "FILL": Identifier("")}
    procedure_id = ""
    for identifier in _list(request, "identifier"):
        kind = identifier.get("type")
        if isinstance(kind, dict) and kind.get("text") == REQUESTED_PROCEDURE_ID:
            procedure_id = str(identifier.get("value") or "")
        for code in found:
            if has_type(identifier, code) and not found[code].value:
                found[code] = read_identifier(identifier)
    concept = request.get("code")
    codings = _list(concept, "coding") if isinstance(concept, dict) else []
    return OrderContent(
        accession=found["ACSN"],
        placer=found["PLAC"],
        filler=found["FILL"],
        requested_procedure_id=procedure_id,
        description=str(concept.get("text") or "") if isinstance(concept, dict) else "",
        procedure_codes=tuple(code for code in map(read_coding, codings) if code.value),
    )


def _read_series(series: Resource, zone: str, document: _Document) -> SeriesContent:
    date, time, _ = read_date_time(str(series.get("started") or ""), zone)
    region = read_coding(series.get("bodySite"))
    return SeriesContent(
        series_instance_uid=str(series.get("uid") or "").removeprefix("urn:oid:"),
        modality=read_coding(series.get("modality")).value,
        source=_read_source(series, document),
        instances=tuple(_read_instance(row) for row in _list(series, "instance")),
        series_number=_number(series.get("number")),
        description=str(series.get("description") or ""),
        date=date,
        time=time,
        region=region if region.value else None,
    )


def _read_source(series: Resource, document: _Document) -> Source:
    for reference in _list(series, "endpoint"):
        endpoint = document.find(reference)
        if not endpoint:
            continue
        locations = _extensions(endpoint, LOCATION_EXTENSION, "valueString")
        titles = [row for row in _list(endpoint, "identifier") if has_type(row, "110119")]
        address = str(endpoint.get("address") or "")
        return Source(
            read_identifier(titles[0]).value if titles else "",
            str(locations[0]) if locations else "",
            "" if address == NO_ADDRESS else address,
        )
    return Source()


def _read_instance(instance: Resource) -> InstanceContent:
    sop_class = instance.get("sopClass")
    frames = _extensions(instance, FRAMES_EXTENSION, "valueInteger")
    titles = _extensions(instance, TITLE_EXTENSION, "valueCodeableConcept")
    return InstanceContent(
        str(sop_class.get("code") or "").removeprefix("urn:oid:") if isinstance(sop_class, dict) else "",
        str(instance.get("uid") or "").removeprefix("urn:oid:"),
        _number(instance.get("number")),
        _number(frames[0]) if frames else None,
        read_concept(titles[0]) if titles else None,
        str(instance.get("title") or ""),
    )


def _extensions(resource: Resource, url: str, value: str) -> list[Any]:
    names = {url}
    if url == TITLE_EXTENSION:  # the profile's text and its definitions disagree on the name
        names |= {f"{url.rpartition('/')[0]}/{name}" for name in _OTHER_TITLE_EXTENSIONS}
    return [row[value] for row in _list(resource, "extension") if row.get("url") in names and value in row]


def _list(resource: Any, name: str) -> list[Resource]:
    values = resource.get(name) if isinstance(resource, dict) else None
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
