"""How the management API speaks of patients: by a reference that is made for one caller and good for a day.

Who knows a number gets the reference; nobody gets to another patient by counting. Numbers travel in bodies only.
"""

from django.core import signing

from access import audit
from access.actor import Actor
from access.database import run_write
from registry.identity import PatientNumber, find_patient, normalise_national
from registry.models import Patient
from registry.noted import UnknownEntry

SALT = "samsyn.api.patient"
LONGEST_S = 24 * 3600


def make_reference(actor: Actor, patient_id: int) -> str:
    """Return what names a patient to this actor under this assignment."""
    return signing.dumps([patient_id, *_bound_to(actor)], salt=SALT)


def find_by_reference(actor: Actor, reference: str) -> Patient:
    """Return the patient of a reference.

    Raises
    ------
    UnknownEntry
        It was made for somebody else, has been changed, is older than a day, or there is no such patient.
    """
    try:
        patient_id, *bound = signing.loads(reference, salt=SALT, max_age=LONGEST_S)
    except (signing.BadSignature, ValueError) as error:
        raise UnknownEntry("no such patient") from error
    patient = Patient.objects.filter(pk=patient_id).first() if bound == _bound_to(actor) else None
    if patient is None:
        raise UnknownEntry("no such patient")
    return patient


def find_by_number(actor: Actor, value: str, issuer: str) -> Patient:
    """Return the patient who has a number; that it was asked is recorded, found or not.

    Raises
    ------
    UnknownEntry
    """
    number = normalise_national(value) if not issuer else None
    known = find_patient(number or PatientNumber(value, issuer)) if value else None
    run_write(
        lambda: audit.record(
            actor,
            "search",
            door="api",
            outcome="success" if known else "refused",
            patient_id=known.pk if known else None,
            detail={"by": "patient number"},
        )
    )
    if known is None:
        raise UnknownEntry("no such patient")
    return known


def _bound_to(actor: Actor) -> list[object]:
    person = actor.on_behalf_of or actor
    return [actor.kind, actor.subject, person.subject, person.assignment_id]
