"""Patient: read of those of whom the actor may see a study, so that references lead somewhere."""

from registry.fhir.dates import date_of
from registry.fhir.door import Asked, ResourceDoor
from registry.fhir.errors import Forbidden, UnknownResource
from registry.fhir.identifiers import identifier_of
from registry.fhir.structure import Resource
from registry.models import Patient
from registry.visibility import visible_studies

_GENDERS = {"M": "male", "F": "female", "O": "other"}
_NAME_PARTS = ("family", "given", "given", "prefix", "suffix")


def read_patient(asked: Asked, key: str) -> Resource:
    """Read a patient.

    Raises
    ------
    UnknownResource
        There is no such patient, or none of whom the actor may see a study.
    """
    if not asked.actor.may("read"):
        raise Forbidden(f"{asked.actor.subject} may not read")
    if not (key.isascii() and key.isdigit() and len(key) <= 18):
        raise UnknownResource("no such Patient")
    if not visible_studies(asked.actor).filter(person=int(key)).exists():
        raise UnknownResource("no such Patient")
    return make_patient(Patient.objects.prefetch_related("identifiers").get(pk=int(key)))


def make_patient(patient: Patient) -> Resource:
    """Make the resource of a patient."""
    resource: Resource = {"resourceType": "Patient", "id": str(patient.pk)}
    identifiers = [identifier_of(row.issuer, row.value) for row in patient.identifiers.all()]
    name = _make_name(patient.patient_name)
    birth_date = date_of(patient.patient_birth_date)
    if identifiers:
        resource["identifier"] = identifiers
    if name:
        resource["name"] = [name]
    if patient.patient_sex:
        resource["gender"] = _GENDERS.get(patient.patient_sex, "unknown")
    if birth_date:
        resource["birthDate"] = birth_date
    return resource


def _make_name(text: str) -> Resource:
    """Make a HumanName of the alphabetic group of a person name. Standard: PS3.5 6.2.1"""
    parts = text.split("=", 1)[0].split("^")
    name: Resource = {}
    for key, value in zip(_NAME_PARTS, parts, strict=False):
        words = value.split() if key == "given" else [value.strip()]
        if words and words[0]:
            if key == "family":
                name[key] = words[0]
            else:
                name.setdefault(key, []).extend(words)
    if name:
        name["text"] = " ".join([*name.get("given", ()), name.get("family", "")]).strip()
    return name


DOOR = ResourceDoor(
    type="Patient",
    documentation="Read of the patients of whom the caller may see a study.",
    read=read_patient,
)
