"""A DocumentReference made of what a document says of itself: a CDA, or a FHIR document Bundle.

What neither says (class, kind of facility, practice setting) is that of the region's reports. Whose it is, is what the
document's own patient is known by, never an address that somebody else gave.

Standard: IHE ITI TF-2 3.106.4.1.3; HL7 CDA Release 2.0; FHIR R4 documents.html
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime

from django.utils.timezone import get_default_timezone

from registry.affinity import affinity
from registry.fhir.documents.code_systems import coding_of, concept_of, system_of_scheme
from registry.fhir.errors import UnheldContent
from registry.fhir.structure import Resource
from registry.submission import Code
from repository.clinical_document import Element, UnreadableDocument, read_document

FORMAT = Code("urn:ihe:iti:xds:2017:mimeTypeSufficient", "1.3.6.1.4.1.19376.1.2.3", "The MIME type says it")
CONFIDENTIALITY = "2.16.840.1.113883.5.25"
PATIENT, AUTHOR, PLACE = "urn:samsyn:patient", "urn:samsyn:author", "urn:samsyn:organization"
_TS = re.compile(
    r"([0-9]{4})([0-9]{2})?([0-9]{2})?(?:([0-9]{2})([0-9]{2})?([0-9]{2})?)?(?:\.[0-9]+)?([+-][0-9]{4})?"
)


@dataclass(frozen=True, slots=True)
class Described:
    """A DocumentReference with its data, and the resources of the document that it refers to, with their fullUrl."""

    reference: Resource
    beside: tuple[Resource, ...]


def describe_bundle(bundle: Resource, content: bytes, media_type: str, path: str) -> Described:
    """Describe a FHIR document, which `content` are the bytes of.

    Raises
    ------
    UnheldContent
        It is no document, or tells of no patient.
    """
    entries = bundle.get("entry", [])
    first = entries[0].get("resource", {}) if entries else {}
    if bundle.get("type") != "document" or first.get("resourceType") != "Composition":
        raise UnheldContent(
            "a FHIR document is a Bundle of type document that begins with a Composition", path
        )
    beside = tuple(_with_short_address(entries))
    subject = first.get("subject", {})
    if not any(
        entry["fullUrl"] == subject.get("reference") and entry["resource"].get("resourceType") == "Patient"
        for entry in beside
    ):
        raise UnheldContent("the document holds no Patient whom it is about", f"{path}.entry")
    event: Resource = next(iter(first.get("event", [])), {})
    language = first.get("language") or bundle.get("language")
    confidentiality = first.get("confidentiality")
    return Described(
        _make_reference(
            {"contentType": media_type, "title": first.get("title"), "creation": first.get("date")},
            content,
            language,
            {
                "masterIdentifier": bundle.get("identifier") or first.get("identifier"),
                "type": first.get("type"),
                "category": first.get("category"),
                "author": first.get("author"),
                "subject": subject,
                "securityLabel": [concept_of(Code(confidentiality, CONFIDENTIALITY))]
                if confidentiality
                else None,
            },
            event.get("period"),
        ),
        beside,
    )


def describe_cda(content: bytes, path: str) -> Described:
    """Describe a CDA document.

    Raises
    ------
    UnheldContent
        It is none.
    """
    try:
        document = read_document(content)
    except UnreadableDocument as error:
        raise UnheldContent(f"the Binary is read as CDA: {error}", path) from error
    role = document.find("recordTarget", "patientRole")
    assigned = document.find("author", "assignedAuthor")
    place = assigned.find("representedOrganization") if assigned else None
    people = {
        PATIENT: _person_of("Patient", role, "patient"),
        AUTHOR: _person_of("Practitioner", assigned, "assignedPerson"),
        PLACE: _organization_of(place),
    }
    if not people[PATIENT].get("identifier"):
        raise UnheldContent("the document tells of no patient with a number", f"{path}/recordTarget")
    authors = [{"reference": url} for url in (AUTHOR, PLACE) if len(people[url]) > 1]
    code = document.find("code")
    label = _code_of(document.find("confidentialityCode"), CONFIDENTIALITY)
    title, language = document.find("title"), document.find("languageCode")
    times = document.find("documentationOf", "serviceEvent", "effectiveTime")
    period = {name: _time_of(times.find(part)) for name, part in (("start", "low"), ("end", "high")) if times}
    if times is not None and not period.get("start"):
        period["start"] = _time_of(times)
    return Described(
        _make_reference(
            {
                "contentType": "text/xml",
                "title": title.text() if title else None,
                "creation": _time_of(document.find("effectiveTime")),
            },
            content,
            language.attributes.get("code") if language else None,
            {
                "masterIdentifier": next(iter(_identifiers_of(document)), None),
                "type": concept_of(*_code_of(code)) if _code_of(code) else None,
                "author": authors,
                "subject": {"reference": PATIENT},
                "securityLabel": [concept_of(*label)] if label else None,
            },
            {name: value for name, value in period.items() if value},
        ),
        tuple({"fullUrl": url, "resource": resource} for url, resource in people.items()),
    )


def _make_reference(
    attachment: Resource, content: bytes, language: str | None, elements: Resource, period: Resource | None
) -> Resource:
    codes = affinity().manifest_codes
    attachment |= {"language": language or codes.language_code, "data": b64encode(content).decode()}
    if not elements.get("masterIdentifier"):
        raise UnheldContent("the document has no identifier of its own", "document")
    defaults: Resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "category": [concept_of(codes.report.class_code)],
        "type": concept_of(codes.report.type_code),
        "securityLabel": [concept_of(affinity().confidentiality.normal)],
    }
    context: Resource = {
        "facilityType": concept_of(codes.healthcare_facility_type_code),
        "practiceSetting": concept_of(codes.practice_setting_code),
        "sourcePatientInfo": elements["subject"],
    }
    held = {
        "attachment": {name: value for name, value in attachment.items() if value},
        "format": coding_of(FORMAT),
    }
    return (
        defaults
        | {name: value for name, value in elements.items() if value}
        | {"content": [held], "context": context | ({"period": period} if period else {})}
    )


def _with_short_address(entries: list[Resource]) -> list[Resource]:
    """Return the entries by fullUrl, and by `Type/id` where that is how the document itself refers to them."""
    found = []
    for entry in entries:
        url, resource = str(entry.get("fullUrl", "")), entry.get("resource", {})
        short = f"{resource.get('resourceType')}/{resource.get('id')}"
        found += [{"fullUrl": name, "resource": resource} for name in dict.fromkeys((url, short)) if name]
    return found


def _person_of(resource_type: str, role: Element | None, inner: str) -> Resource:
    person = role.find(inner) if role else None
    name, born = (person.find("name"), person.find("birthTime")) if person else (None, None)
    gender = _code_of(person.find("administrativeGenderCode")) if person else ()
    names: Resource = {}
    if name is not None:
        given = [part.text() for part in name.find_all("given")]
        family = " ".join(part.text() for part in name.find_all("family"))
        names = {"family": family, "given": given} if family or given else {"text": name.text()}
    made: Resource = {
        "resourceType": resource_type,
        "identifier": _identifiers_of(role) if role else [],
        "name": [{part: value for part, value in names.items() if value}] if names else [],
        "birthDate": _time_of(born)[:10],
        "gender": {"F": "female", "M": "male"}.get(gender[0].code, "other") if gender else "",
    }
    return {element: value for element, value in made.items() if value}


def _organization_of(place: Element | None) -> Resource:
    name = place.find("name") if place else None
    made: Resource = {
        "resourceType": "Organization",
        "identifier": _identifiers_of(place) if place else [],
        "name": name.text() if name else "",
    }
    return {element: value for element, value in made.items() if value}


def _identifiers_of(holder: Element) -> list[Resource]:
    """Return the instance identifiers (II): root alone is the number, with an extension it is the issuer."""
    found: list[Resource] = []
    for each in holder.find_all("id"):
        root, extension = each.attributes.get("root", ""), each.attributes.get("extension", "")
        if root and extension:
            found.append({"system": f"urn:oid:{root}", "value": extension})
        elif root:
            found.append({"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{root}"})
    return found


def _code_of(element: Element | None, scheme: str = "") -> tuple[Code, ...]:
    attributes = element.attributes if element is not None else {}
    code, scheme = attributes.get("code", ""), attributes.get("codeSystem", "") or scheme
    if not code or not system_of_scheme(scheme, code):
        return ()
    return (Code(code, scheme, attributes.get("displayName", "")),)


def _time_of(element: Element | None) -> str:
    """Write a TS as dateTime, as precise as it is; a time without a zone is local; empty for none."""
    found = _TS.fullmatch(element.attributes.get("value", "") if element is not None else "")
    if found is None:
        return ""
    year, month, day, hour, minute, second, zone = found.groups()
    if hour is None:
        return "-".join(part for part in (year, month, day) if part)
    clock = f"{year}{month}{day}{hour}{minute or '00'}{second or '00'}"
    try:
        moment = datetime.strptime(clock + (zone or ""), "%Y%m%d%H%M%S%z" if zone else "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        return ""
    return (moment if zone else moment.replace(tzinfo=get_default_timezone())).isoformat()
