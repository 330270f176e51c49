"""Orders that were permitted, as FHIR ServiceRequest.

Standard: FHIR R4 ServiceRequest
"""

from collections.abc import Iterable, Sequence

from registry.fhir.dates import instant
from registry.fhir.directory import refer_to_organization
from registry.fhir.identifiers import identifier_of, system_of
from registry.fhir.structure import Resource
from registry.fhir.subjects import refer_to_patients
from registry.models import Order

V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
STATUSES = {
    "requested": "active",
    "scheduled": "active",
    "in_progress": "active",
    "active": "active",
    "held": "on-hold",
    "completed": "completed",
    "cancelled": "revoked",
    "discontinued": "revoked",
}
"""The status of an order as FHIR says it (RequestStatus); another word is `unknown`."""
PRIORITIES = {
    "s": "stat",
    "stat": "stat",
    "a": "asap",
    "asap": "asap",
    "u": "urgent",
    "urgent": "urgent",
    "ur": "urgent",
    "r": "routine",
    "routine": "routine",
    "normal": "routine",
}
"""Urgency as sources write it (HL7 tables 0485 and 0027, or words) as RequestPriority."""


def make_service_requests(orders: Sequence[Order]) -> list[Resource]:
    """Make the resources of orders that were permitted."""
    subjects = refer_to_patients(order.patient_id for order in orders)
    return [_make(order, subjects[order.patient_id]) for order in orders]


def status_of(order: Order) -> str:
    """Return the status of an order as FHIR says it."""
    return STATUSES.get(order.status, "unknown")


def refer_to_order(order: Order) -> Resource:
    """Refer to an order by address, and by accession number for those who know no address here."""
    return {
        "reference": f"ServiceRequest/{order.pk}",
        "type": "ServiceRequest",
        "identifier": _typed("ACSN", order.accession_issuer, order.accession_number),
    }


def _make(order: Order, subject: Resource) -> Resource:
    code: Resource = {}
    if order.procedure_code:
        code["coding"] = [_coding(order)]
    if order.procedure_text:
        code["text"] = order.procedure_text
    optional: Resource = {
        "priority": PRIORITIES.get(order.urgency.strip().lower(), ""),
        "code": code,
        "occurrenceDateTime": instant(order.scheduled_at) if order.scheduled_at else "",
        "authoredOn": instant(order.ordered_at) if order.ordered_at else "",
        "requester": _requester(order),
        "performer": [refer_to_organization(order.performing_department)]
        if order.performing_department
        else [],
        "reasonCode": [{"text": order.question}] if order.question.strip() else [],
        "note": [{"text": order.history}] if order.history.strip() else [],
    }
    resource: Resource = {"resourceType": "ServiceRequest", "id": str(order.pk)}
    if order.changed_at:
        resource["meta"] = {"lastUpdated": instant(order.changed_at)}
    return resource | {
        "identifier": list(_identifiers(order)),
        "status": status_of(order),
        "intent": "order",
        "category": [{"coding": [{"system": SNOMED, "code": "363679005", "display": "Imaging"}]}],
        "subject": subject,
        **{name: value for name, value in optional.items() if value},
    }


def _coding(order: Order) -> Resource:
    coding = {"code": order.procedure_code}
    if order.procedure_code_scheme:
        coding["system"] = system_of(order.procedure_code_scheme)
    return coding


def _identifiers(order: Order) -> Iterable[Resource]:
    if order.accession_number:
        yield _typed("ACSN", order.accession_issuer, order.accession_number)
    if order.placer_order_number:
        yield _typed("PLAC", order.placer_issuer, order.placer_order_number)
    if order.filler_order_number:
        yield _typed("FILL", order.accession_issuer, order.filler_order_number)


def _typed(kind: str, issuer: str, value: str) -> Resource:
    """Make an identifier with its kind (HL7 table 0203)."""
    coding = [{"system": V2_0203, "code": kind}]
    if kind == "ACSN":
        coding.append({"system": DCM, "code": "121022", "display": "Accession Number"})
    return {"type": {"coding": coding}, **identifier_of(issuer, value)}


def _requester(order: Order) -> Resource:
    """Name the department that asks, and in its words the person."""
    person = plain_name(order.requester)
    if order.ordering_department is None:
        return {"display": person} if person else {}
    reference = refer_to_organization(order.ordering_department)
    if person:
        reference["display"] = f"{person}, {reference['display']}"
    return reference


def plain_name(text: str) -> str:
    """Return the name in an XCN or PN text (`id^Family^Given`, `Family^Given`) as one writes it, or the text."""
    parts = [part.strip() for part in text.split("=", 1)[0].split("^")]
    if len(parts) < 2:
        return text.strip()
    if any(character.isdigit() for character in parts[0]) or not parts[0]:
        parts = parts[1:]
    family, given = parts[0], parts[1] if len(parts) > 1 else ""
    return " ".join(part for part in (given, family) if part)
