"""Patient: those of whom the actor may see a study; found (ITI-78), cross-referenced (ITI-83) and fed (ITI-104)."""

from collections.abc import Sequence
from hashlib import sha256

import orjson

from access import audit
from access.database import write_transaction
from registry.contacts import KnownContacts, find_contacts
from registry.fhir.dates import date_of, instant
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import Forbidden, UnknownResource, VersionConflict
from registry.fhir.identifiers import number_identifier
from registry.fhir.parameters import Query
from registry.fhir.patient_contacts import add_contacts
from registry.fhir.patient_feed import remove_patient, require_feed, take_patient, take_patient_at
from registry.fhir.pdqm import PARAMETERS, find_patients
from registry.fhir.pixm import ERRORS, IHE_PIX
from registry.fhir.structure import Resource
from registry.fhir.visible_patients import visible_patients
from registry.merges import current_patient_id
from registry.models import Patient

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
    target = current_patient_id(int(key))
    if not visible_patients(asked.actor).filter(pk=target).exists():
        raise UnknownResource("no such Patient")
    return make_patient(Patient.objects.prefetch_related("identifiers").get(pk=int(key)))


def search_patients(asked: Asked, query: Query) -> Found:
    """Find patients by number or by what is known of them."""
    rows = find_patients(asked, query)
    page = rows[: query.count]
    with write_transaction():
        audit.record(
            asked.actor,
            "search",
            door="fhir",
            patient_id=page[0].pk if len(rows) == 1 else None,
            detail={"transaction": "ITI-78", "found": len(page)},
        )
    position: tuple[str | int, ...] = (page[-1].pk,) if len(rows) > query.count else ()
    return Found(tuple(make_patients(page)), position)


def feed(asked: Asked, pairs: Sequence[tuple[str, str]], sent: Resource) -> tuple[Resource, bool]:
    """Take a fed patient; returns the resource as it is now, and whether it is new."""
    patient, is_new = take_patient(asked, pairs, sent)
    return make_patient(patient), is_new


def update(asked: Asked, key: str, sent: Resource) -> Resource:
    """Bring a patient at an address up to date, the version that the source saw.

    Raises
    ------
    Forbidden, InvalidParameter, UnheldContent, UnknownResource
    VersionConflict
        The source saw another version.
    """
    require_feed(asked)
    known = Patient.objects.filter(pk=int(key)).first() if key.isdigit() and len(key) <= 18 else None
    if known is None:
        raise UnknownResource("no such Patient")
    version = make_patient(known)["meta"]["versionId"]
    if asked.if_match and asked.if_match != version:
        raise VersionConflict(f"If-Match names version {asked.if_match[:40]}, and there is {version}")
    patient = take_patient_at(asked, known.pk, sent)
    return make_patient(patient)


def make_patient(patient: Patient) -> Resource:
    """Make the resource of a patient."""
    return make_patients([patient])[0]


def make_patients(patients: Sequence[Patient]) -> list[Resource]:
    """Make the resources of patients; of protected identities without where they live and how to reach them."""
    known = find_contacts(patients)
    return [_make_patient(patient, known.get(patient.pk)) for patient in patients]


def _make_patient(patient: Patient, contacts: KnownContacts | None) -> Resource:
    is_active = patient.merged_into_id is None
    resource: Resource = {"resourceType": "Patient", "id": str(patient.pk), "active": is_active}
    identifiers = [
        number_identifier(row.issuer, row.value) | ({"use": "old"} if row.subsumed_at else {})
        for row in sorted(patient.identifiers.all(), key=lambda row: (row.subsumed_at is not None, row.pk))
    ]
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
    add_contacts(resource, patient, contacts)
    if patient.deceased_at:
        resource["deceasedDateTime"] = instant(patient.deceased_at)
    if not is_active:
        other = {"reference": f"Patient/{patient.merged_into_id}"}
        resource["link"] = [{"other": other, "type": "replaced-by"}]
    version = sha256(orjson.dumps(resource)).hexdigest()[:32]
    return resource | {"meta": {"versionId": version}}


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
    documentation="The patients of whom the caller may see a study; a region-wide system finds all.",
    read=read_patient,
    search=search_patients,
    update=update,
    update_where=feed,
    delete_where=remove_patient,
    operations=(IHE_PIX,),
    parameters=PARAMETERS,
    errors=ERRORS,
    statements=(
        "https://profiles.ihe.net/ITI/PIXm/CapabilityStatement/IHE.PIXm.Manager",
        "https://profiles.ihe.net/ITI/PDQm/CapabilityStatement/IHE.PDQm.Supplier",
    ),
)
