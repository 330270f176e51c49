"""The table of the resources that the registry serves."""

from registry.fhir.door import ResourceDoor
from registry.fhir.resources import consent, imaging_study, patient

DOORS: tuple[ResourceDoor, ...] = (consent.DOOR, imaging_study.DOOR, patient.DOOR)
