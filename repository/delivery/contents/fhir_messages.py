"""A report or a request as a FHIR message: what it is about, and the study it belongs to.

Standard: FHIR R4 messaging.html, MessageHeader, DiagnosticReport, ServiceRequest
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import orjson
from django.conf import settings

from registry.affinity import affinity
from registry.fhir.dates import instant
from registry.fhir.identifiers import number_identifier
from registry.fhir.orders import make_service_requests
from registry.fhir.reports import make_diagnostic_reports
from registry.fhir.structure import Resource
from registry.fhir.studies import make_imaging_studies
from registry.models import Destination, Order, ReportVersion, Study
from repository.delivery.contents.messages import Message
from repository.delivery.contents.own_numbers import find_patient_numbers
from repository.delivery.contents.report_files import read_file
from repository.delivery.decide import receiver_of

EVENTS = "urn:samsyn:delivery"
"""Code system of what a message says: `report`, `request`."""


def write_report_message(
    version: ReportVersion, study: Study, destination: Destination, planned_at: datetime, key: str
) -> Message:
    """Write a version of a report as the receiver would find it at our own door."""
    focus = make_diagnostic_reports(receiver_of(destination), [(version.report, version)])[0]
    file = read_file(version)
    if file is not None:
        form = {"contentType": file.media_type, "data": b64encode(file.content).decode()}
        focus["presentedForm"] = [*focus.get("presentedForm", ()), form]
    return _write("report", focus, study, destination, planned_at, key)


def write_request_message(
    order: Order, study: Study, destination: Destination, planned_at: datetime, key: str
) -> Message:
    """Write an order as it stands."""
    return _write("request", make_service_requests([order])[0], study, destination, planned_at, key)


def _write(
    event: str, focus: Resource, study: Study, destination: Destination, planned_at: datetime, key: str
) -> Message:
    resources = [focus, *make_imaging_studies(_base(), [study])]
    _name_patient(resources, study, destination)
    digest = hashlib.sha256(key.encode() + orjson.dumps(resources)).hexdigest()
    message_id = str(uuid5(NAMESPACE_URL, f"{affinity().source_id}/{digest}"))
    header: Resource = {
        "resourceType": "MessageHeader",
        "id": message_id,
        "eventCoding": {"system": EVENTS, "code": event},
        "destination": [{"name": destination.name, "endpoint": destination.url.removeprefix("fhir+")}],
        "source": {"name": "Samsyn", "endpoint": _base() or f"urn:oid:{affinity().source_id}"},
        "focus": [{"reference": _address(focus)}],
    }
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": message_id,
        "type": "message",
        "timestamp": instant(planned_at),
        "entry": [
            {"fullUrl": f"urn:uuid:{message_id}", "resource": header},
            *({"fullUrl": _address(each), "resource": each} for each in resources),
        ],
    }
    return Message(message_id, orjson.dumps(bundle))


def _name_patient(resources: Sequence[Resource], study: Study, destination: Destination) -> None:
    """Name the patient by the receiver's number, where there is one, else by one that is known."""
    number = next(iter(find_patient_numbers(study, destination)), None)
    if number is not None:
        for resource in resources:
            resource["subject"] = resource["subject"] | {
                "identifier": number_identifier(number.issuer, number.value)
            }


def _address(resource: Resource) -> str:
    """Return the address of a resource at our own door; without a public one, a name that is the same every time."""
    name = f"{resource['resourceType']}/{resource['id']}"
    base = _base()
    return f"{base}/{name}" if base else f"urn:uuid:{uuid5(NAMESPACE_URL, f'{affinity().source_id}/{name}')}"


def _base() -> str:
    return f"{settings.PUBLIC_BASE_URL}/fhir" if settings.PUBLIC_BASE_URL else ""
