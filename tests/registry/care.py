"""People under assignments, patients with numbers, and what a test asks of the access log."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

from django.contrib.auth.models import Group
from django.utils import timezone

from access.actor import Actor, Scope
from access.models import Assignment, AuditEvent, Department, User
from access.models.organisation import PERMISSIONS
from registry.models import Change, Patient, PatientIdentifier
from tests.registry.factories import make_region_actor

_numbers = count(1)

EVERYTHING = frozenset({"read", *PERMISSIONS})
PERSONAL_NUMBER_OID = "1.2.752.129.2.1.3.1"


def make_doctor(department: Department, *rights: str, **values) -> Actor:
    """Make a person with one assignment in a department, and return who asks; all rights if none are named."""
    number = next(_numbers)
    names = {"username": f"doctor{number}", "first_name": "Eva", "last_name": f"Lind{number}"}
    user = User.objects.create(hsa_id=f"SE-E{number}", **{**names, **values})
    began = timezone.now() - timedelta(days=30)
    assignment = Assignment.objects.create(
        user=user,
        department=department,
        group=Group.objects.create(name=f"group {number}"),
        role="Doctor",
        valid_from=began,
    )
    unit = department.unit
    return Actor(
        kind="person",
        subject=user.username,
        scope=Scope(department.pk, unit.pk, unit.provider_id),
        permissions=frozenset({"read", *rights}) if rights else EVERYTHING,
        subject_id=user.pk,
        assignment_id=assignment.pk,
        department_hsa_id=department.hsa_id,
        care_unit_hsa_id=unit.hsa_id,
        national_number=user.national_number,
    )


def make_officer() -> Actor:
    """Return a region-wide system that may do everything."""
    return replace(make_region_actor(), permissions=EVERYTHING)


def make_patient(number: str = "", name: str = "Åkerström^Lars") -> Patient:
    """Make a patient with one national number."""
    patient = Patient.objects.create(patient_name=name)
    value = number or f"1912{next(_numbers):08d}"
    PatientIdentifier.objects.create(
        patient=patient, value=value, issuer=PERSONAL_NUMBER_OID, is_national=True
    )
    return patient


def epoch_of(patient: Patient) -> int:
    """Read a patient's epoch."""
    return Patient.objects.values_list("access_epoch", flat=True).get(pk=patient.pk)


def told_of(action: str) -> AuditEvent:
    """Return the one event of an action in the access log."""
    return AuditEvent.objects.get(action=action)


def assert_noted(action: str, kind: str, row, patient: Patient) -> AuditEvent:
    """Hold that a change raised the epoch, is in the feed, and is in the log with its row; returns the event."""
    event = AuditEvent.objects.filter(action=action, outcome="success").latest("pk")
    assert (event.patient_id, event.detail["row"]) == (patient.pk, f"{kind}:{row.pk}")
    assert Change.objects.filter(kind=kind, detail={"row": row.pk}).exists()
    assert epoch_of(patient) > 0
    return event
