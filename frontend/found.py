"""Which patients this session's own last search found: their pages open, and none by guessing a key."""

from collections.abc import Iterable

from django.http import Http404, HttpRequest

from access.actor import Actor
from registry.explained import Explained, explain_patient
from registry.models import Patient, PatientIdentifier
from registry.visibility import is_in_relation

SESSION_FOUND = "found"


def remember_found(request: HttpRequest, actor: Actor, patients: Iterable[int]) -> None:
    """Keep the keys of what was found; they count under this assignment only."""
    request.session[SESSION_FOUND] = {"assignment": actor.assignment_id, "patients": sorted(patients)}


def was_found(request: HttpRequest, actor: Actor, patient_id: int) -> bool:
    """Tell whether the session's last search found the patient."""
    kept = request.session.get(SESSION_FOUND) or {}
    return kept.get("assignment") == actor.assignment_id and patient_id in kept.get("patients", ())


def is_own_record(actor: Actor, patient_id: int) -> bool:
    """Tell whether a patient is the person who asks: nobody opens or keeps their own record at work."""
    if not actor.national_number:
        return False
    numbers = PatientIdentifier.objects.filter(patient=patient_id, is_national=True)
    return numbers.filter(value=actor.national_number).exists()


def open_patient(request: HttpRequest, actor: Actor, pk: int) -> tuple[Patient, Explained]:
    """Return a patient whose page opens, and what it may say: something is permitted or may be chosen, the unit takes
    part in the care, or the session's own search found the patient. Everything else is the same 404.
    """
    explained = explain_patient(actor, pk)
    is_open = (
        explained.permitted
        or explained.choosable
        or was_found(request, actor, pk)
        or is_in_relation(actor, pk)
    )
    patient = Patient.objects.filter(pk=pk).first() if is_open and not is_own_record(actor, pk) else None
    if patient is None:
        raise Http404("no such patient")
    return patient, explained
