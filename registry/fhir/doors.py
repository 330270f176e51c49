"""The table of the resources that the registry serves."""

from registry.fhir.door import ResourceDoor
from registry.fhir.resources import audit_event, consent, imaging_study, patient

DOORS: tuple[ResourceDoor, ...] = (audit_event.DOOR, consent.DOOR, imaging_study.DOOR, patient.DOOR)
