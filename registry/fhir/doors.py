"""The table of the resources that the registry serves."""

from registry.fhir.door import ResourceDoor
from registry.fhir.resources import (
    audit_event,
    consent,
    diagnostic_report,
    directory,
    document_list,
    document_reference,
    encounter,
    imaging_study,
    patient,
    practitioner,
    service_request,
    subscription,
)

DOORS: tuple[ResourceDoor, ...] = (
    audit_event.DOOR,
    consent.DOOR,
    diagnostic_report.DOOR,
    *directory.DOORS,
    document_reference.DOOR,
    document_list.DOOR,
    encounter.DOOR,
    imaging_study.DOOR,
    patient.DOOR,
    *practitioner.DOORS,
    service_request.DOOR,
    subscription.DOOR,
    subscription.TOPIC_DOOR,
)
