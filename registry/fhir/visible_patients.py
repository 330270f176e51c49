"""Which patients an actor may find by FHIR: those of whom it may see a study; a region-wide tool finds all."""

from django.db.models import Exists, OuterRef, QuerySet

from access.actor import Actor
from registry.contacts import PROTECTED
from registry.fhir.errors import Forbidden
from registry.models import Patient, PatientFlag
from registry.visibility import reader_of, visible_studies


def visible_patients(actor: Actor) -> QuerySet[Patient]:
    """Return the patients that the actor may find by a number; subsumed ones are not among them.

    Raises
    ------
    Forbidden
        The actor may not read at all.
    """
    reader = reader_of(actor)
    if reader is None:
        raise Forbidden(f"{actor.subject} may not read")
    rows = Patient.objects.filter(merged_into=None)
    if reader.scope.region_wide:
        return rows
    return rows.filter(Exists(visible_studies(actor).filter(person=OuterRef("pk"))))


def without_protected(rows: QuerySet[Patient]) -> QuerySet[Patient]:
    """Leave out those whose identity is protected: they are found by number alone."""
    flags = PatientFlag.objects.filter(
        patient=OuterRef("pk"), kind__startswith=PROTECTED, ended_at__isnull=True
    )
    return rows.filter(~Exists(flags))
