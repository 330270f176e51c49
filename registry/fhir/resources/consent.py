"""Consent: what patients decided, as the consent registry of IHE PCF holds it.

Rows are registered and ended, never edited: a create registers, an update to `inactive` withdraws or cancels.

Standard: IHE ITI PCF 1.1 (ITI-108), FHIR R4 Consent
"""

from collections.abc import Iterable

from access import audit
from access.database import write_transaction
from registry.consent.blocks import RepeatedBlock
from registry.consent.lifts import AbsoluteBlock
from registry.fhir.consents import codes
from registry.fhir.consents.form import make_consents
from registry.fhir.consents.order import read_order
from registry.fhir.consents.parts import refuse
from registry.fhir.consents.registering import end, register
from registry.fhir.consents.rows import Kept, find_kept, may_read_any, read_kept
from registry.fhir.consents.search import PARAMETERS, search_consents
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import Forbidden, UnknownResource, VersionConflict
from registry.fhir.identifiers import numbers_of
from registry.fhir.parameters import Query
from registry.fhir.structure import Resource
from registry.fhir.values import Token
from registry.identity import find_patient
from registry.models import Patient
from registry.noted import EndedEntry, InvalidEntry, MissingRight


def read_consent(asked: Asked, key: str) -> Resource:
    """Read a consent, a block or a lift.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may see.
    """
    kept = find_readable(asked, key)
    with write_transaction():
        audit.record(
            asked.actor, "consent_read", door="fhir", patient_id=kept.patient.pk, detail={"resource": kept.id}
        )
    return make_consents([kept])[0]


def find_readable(asked: Asked, key: str) -> Kept:
    """Return the row behind an id."""
    _require(asked)
    kept = find_kept(asked.actor, key)
    if kept is None:
        raise UnknownResource("no such Consent")
    return kept


def create_consent(asked: Asked, sent: Resource) -> Resource:
    """Register what a sent Consent asks for.

    Raises
    ------
    UnheldContent
        It says something that no row can hold, or speaks of nobody that is known here.
    MissingRight, InvalidEntry, EndedEntry
        The registry does not take it.
    """
    _require(asked)
    order = read_order(sent)
    return make_consents([register(asked.actor, _read_patient(asked, sent), order)])[0]


def update_consent(asked: Asked, key: str, sent: Resource) -> Resource:
    """End a consent, a block or a lift: the only change there is.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may see.
    VersionConflict
        The client saw another version.
    UnheldContent
        It changes anything but the status, which becomes inactive.
    """
    kept = find_readable(asked, key)
    known = make_consents([kept])[0]
    if asked.if_match and asked.if_match != known["meta"]["versionId"]:
        raise VersionConflict(
            f"If-Match names version {asked.if_match[:40]}, and there is {known['meta']['versionId']}"
        )
    if sent.get("status") not in ENDINGS:
        refuse(
            "nothing is edited here: the one change is to inactive; register anew what differs",
            "Consent.status",
        )
    for element, value in sent.items():
        if element not in _FREE and value != known.get(element):
            refuse("nothing is edited here: send it as it is, or leave it out", f"Consent.{element}")
    reasons = {codes.REASON: "", **_texts(known.get("extension", [])), **_texts(sent.get("extension", []))}
    end(asked.actor, kept, reasons[codes.REASON])
    return make_consents([read_kept(kept.kind, kept.row.pk)])[0]


ENDINGS = ("inactive", "entered-in-error")
_FREE = frozenset({"resourceType", "id", "meta", "status", "text", "language", "extension"})


def _texts(extensions: Iterable[Resource]) -> dict[str, str]:
    return {str(one.get("url")): str(one.get("valueString", "")) for one in extensions}


def _read_patient(asked: Asked, sent: Resource) -> Patient:
    """Return the patient of a Consent: known by number, and by address if one is given too."""
    identifier = sent.get("patient", {}).get("identifier", {})
    system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
    if not system or not value:
        refuse("name the patient by a number: identifier with system and value", "Consent.patient")
    numbers = numbers_of(Token(system, value))
    patient = find_patient(numbers[0]) if numbers else None
    reference = sent["patient"].get("reference")
    if patient is None or reference not in (
        None,
        f"Patient/{patient.pk}",
        f"{asked.base}/Patient/{patient.pk}",
    ):
        refuse("no patient here has this number, or has it under this address", "Consent.patient")
    return patient


def search_those_seen(asked: Asked, query: Query) -> Found:
    """Search blocks, then consents, each in the order of registration; lifts by their block or id."""
    _require(asked)
    return search_consents(asked, query)


def _require(asked: Asked) -> None:
    if not may_read_any(asked.actor):
        raise Forbidden(
            f"{asked.actor.subject} may not read consents: neither its role nor its scopes say so"
        )


DOOR = ResourceDoor(
    type="Consent",
    documentation=(
        "What patients decided. A permit lets a provider, a unit or a person read what other providers hold; a "
        "denial closes what its holder authored to everyone outside (a block); a permit nested in it is a lift."
    ),
    read=read_consent,
    search=search_those_seen,
    create=create_consent,
    update=update_consent,
    parameters=PARAMETERS,
    profiles=(codes.BASIC, codes.INTERMEDIATE),
    statements=(codes.REGISTRY,),
    errors=(
        (MissingRight, 403, "forbidden"),
        (RepeatedBlock, 409, "duplicate"),
        (AbsoluteBlock, 422, "business-rule"),
        (EndedEntry, 409, "conflict"),
        (InvalidEntry, 422, "business-rule"),
    ),
)
