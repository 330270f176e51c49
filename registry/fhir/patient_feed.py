"""The feed of patients: a conditional update makes one known, brings it up to date, or merges it into another.

Standard: IHE ITI PIXm 3.0, ITI-104
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import parse_qsl, urlsplit

from django.db.models import Q

from access import audit
from access.database import write_transaction
from registry.fhir.door import Asked
from registry.fhir.errors import Forbidden, InvalidParameter, UnheldContent, UnknownResource
from registry.fhir.identifiers import numbers_of
from registry.fhir.patient_contacts import read_contacts
from registry.fhir.structure import Resource
from registry.fhir.values import Token, read_token
from registry.identity import Demographics, PatientNumber, feed_patient, find_patient
from registry.merge_moves import patient_columns
from registry.merge_requests import ask_to_merge
from registry.merges import ImpossibleMerge
from registry.models import MergeRequest, Patient, PatientIdentifier, PatientMerge

_SEXES = {"male": "M", "female": "F", "other": "O"}


def take_patient(asked: Asked, pairs: Sequence[tuple[str, str]], sent: Resource) -> tuple[Patient, bool]:
    """Take a Patient that a source sent under `identifier=system|value`; returns it, and whether it is new.

    Raises
    ------
    Forbidden
        The caller is no system that may store.
    InvalidParameter, UnheldContent
    """
    require_feed(asked)
    return _take(asked, _read_condition(pairs), sent)


def take_patient_at(asked: Asked, key: int, sent: Resource) -> Patient:
    """Take a Patient that a source sent to the address of one who is known, under a number that is still good.

    Raises
    ------
    Forbidden, InvalidParameter, UnheldContent
    UnknownResource
        Nobody is there, or somebody who was merged.
    """
    rows = PatientIdentifier.objects.filter(patient=key, subsumed_at=None)
    known = {(row.value, row.issuer) for row in rows}
    numbers = _numbers_in(sent)
    if not known:
        raise UnknownResource("no such Patient")
    own = next((number for number in numbers if (number.value, number.issuer) in known), None)
    if own is None:
        raise InvalidParameter(
            "the resource has no identifier of the patient at this address", "Patient.identifier"
        )
    return _take(asked, own, sent)[0]


def remove_patient(asked: Asked, pairs: Sequence[tuple[str, str]]) -> None:
    """Remove a patient of whom nothing is kept: one that a source made known by mistake; nobody is as good as removed.

    Raises
    ------
    Forbidden, InvalidParameter
    UnheldContent
        Something is kept of the patient, or a merge tells of it. Standard: IHE ITI PIXm 3.0, ITI-104 (Remove Patient)
    """
    require_feed(asked)
    number = _read_condition(pairs)
    with write_transaction():
        patient = find_patient(number)
        if patient is None:
            return
        Patient.objects.select_for_update().get(pk=patient.pk)
        if _is_anything_kept(patient):
            _refuse("something is kept of this patient: merge it into another instead", "identifier")
        audit.record(asked.actor, "patient_removed", door="fhir", patient_id=patient.pk)
        patient.identifiers.all().delete()
        patient.delete()


def require_feed(asked: Asked) -> None:
    """Raise `Forbidden` unless the caller is a system that may store."""
    if asked.actor.kind != "system" or not asked.actor.may("store"):
        raise Forbidden(
            f"{asked.actor.subject} may not feed patients: that needs a system with the scope store"
        )


def _is_anything_kept(patient: Patient) -> bool:
    merged = Q(survivor=patient) | Q(subsumed=patient)
    if PatientMerge.objects.filter(merged).exists() or Patient.objects.filter(merged_into=patient).exists():
        return True
    columns = [pair for pair in patient_columns() if pair[0] is not PatientIdentifier]
    return any(model._default_manager.filter(**{column: patient}).exists() for model, column in columns)


def _take(asked: Asked, number: PatientNumber, sent: Resource) -> tuple[Patient, bool]:
    others = _numbers_in(sent)
    if number not in others:
        raise InvalidParameter(
            "the resource does not have the identifier of the address", "Patient.identifier"
        )
    replaced_by = [link for link in sent.get("link", ()) if link.get("type") == "replaced-by"]
    with write_transaction():
        known = find_patient(number)
        if replaced_by:
            patient = _merge(asked, number, sent, replaced_by)
        elif sent.get("active") is False:
            _refuse(
                "a patient that is not active names who replaces it: link of type replaced-by", "Patient.link"
            )
        else:
            patient = feed_patient(
                number,
                _demographics_of(sent),
                [other for other in others if other != number],
                postal_code=_postal_code_of(sent),
                deceased_at=_deceased_at(sent),
                contacts=read_contacts(sent),
            )
        audit.record(asked.actor, "patient_feed", door="fhir", patient_id=patient.pk)
    return patient, known is None


def _merge(asked: Asked, number: PatientNumber, sent: Resource, links: list[Resource]) -> Patient:
    """Merge, or ask for it: then the answer is the patient as it still is, active and without a link."""
    if sent.get("active") is not False or len(links) != 1:
        _refuse(
            "a patient that is replaced has active false and one link of type replaced-by", "Patient.link"
        )
    survivor = _survivor_of(asked, links[0].get("other", {}))
    if survivor == number:
        _refuse("a patient cannot be replaced by itself", "Patient.link.other")
    try:
        made = ask_to_merge(survivor, number, source=asked.actor.subject, actor=asked.actor)
    except ImpossibleMerge as error:
        raise UnheldContent(str(error), "Patient.link") from error
    patient = find_patient(number if isinstance(made, MergeRequest) else survivor)
    if patient is None:
        _refuse("nobody has the number of the survivor", "Patient.link.other")
    return patient


def _survivor_of(asked: Asked, other: Resource) -> PatientNumber:
    """Return a number of the patient that a link names: by identifier, by condition, or by address."""
    named = _number_of(other.get("identifier", {}))
    if named is not None:
        return named
    reference = str(other.get("reference", "")).removeprefix(f"{asked.base}/")
    address = urlsplit(reference)
    if address.path == "Patient" and address.query:
        return _read_condition(parse_qsl(address.query))
    key = reference.removeprefix("Patient/")
    row = None
    if key.isascii() and key.isdigit() and len(key) <= 18:
        rows = PatientIdentifier.objects.filter(patient=int(key), subsumed_at=None)
        row = rows.order_by("-is_national", "pk").first()
    if row is None:
        _refuse(
            "name the survivor by an identifier, or by the address of one who is known here",
            "Patient.link.other",
        )
    return PatientNumber(row.value, row.issuer, row.is_national)


def _read_condition(pairs: Sequence[tuple[str, str]]) -> PatientNumber:
    texts = [text for name, text in pairs if name == "identifier"]
    if len(texts) != 1 or any(name not in ("identifier", "_format", "_pretty") for name, _ in pairs):
        raise InvalidParameter(
            "a patient is fed under one identifier: Patient?identifier=system|value", "identifier"
        )
    token = read_token("identifier", texts[0])
    numbers = numbers_of(token) if token.system and token.code else ()
    if not numbers:
        raise InvalidParameter(
            "identifier is system|value, with a number that the system can have", "identifier"
        )
    return numbers[0]


def _numbers_in(sent: Resource) -> list[PatientNumber]:
    return [one for item in sent.get("identifier", ()) if (one := _number_of(item)) is not None]


def _number_of(identifier: Resource) -> PatientNumber | None:
    system, value = str(identifier.get("system", "")), str(identifier.get("value", "")).strip()
    numbers = numbers_of(Token(system, value)) if system and value else ()
    return numbers[0] if numbers else None


def _demographics_of(sent: Resource) -> Demographics:
    names = sent.get("name", [])
    chosen: Resource = min(names, key=lambda name: name.get("use") not in ("official", None), default={})
    family = str(chosen.get("family", "")).replace("^", " ")
    given = " ".join(str(part).replace("^", " ") for part in chosen.get("given", ()) if part)
    return Demographics(
        patient_name=f"{family}^{given}".rstrip("^")[:324],
        patient_birth_date=str(sent.get("birthDate", "")).replace("-", "")[:8],
        patient_sex=_SEXES.get(str(sent.get("gender", "")), ""),
    )


def _postal_code_of(sent: Resource) -> str | None:
    codes = [
        str(one["postalCode"]).replace(" ", "") for one in sent.get("address", ()) if one.get("postalCode")
    ]
    return codes[0] if codes else None


def _deceased_at(sent: Resource) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(sent.get("deceasedDateTime", "")))
    except ValueError:  # a year or a month, or nothing
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refuse(message: str, expression: str) -> NoReturn:
    raise UnheldContent(message, expression)
