"""Which other numbers a patient has: `Patient/$ihe-pix`.

Standard: IHE ITI PIXm 3.0, ITI-83
"""

from collections.abc import Sequence

from django.db.models import QuerySet

from access import audit
from access.database import write_transaction
from registry.affinity import affinity
from registry.fhir.door import Asked, Operation
from registry.fhir.errors import FhirError, InvalidParameter, UnknownResource
from registry.fhir.identifiers import identifier_of, issuer_of, numbers_of
from registry.fhir.structure import Resource
from registry.fhir.values import Token, read_token
from registry.fhir.visible_patients import visible_patients
from registry.identity import NATIONAL_OIDS
from registry.models import Patient, PatientIdentifier


class UnknownSourceDomain(FhirError):
    """Nobody here issues numbers of the system that a source identifier names."""


class UnknownTargetDomain(FhirError):
    """Nobody here issues numbers of the system that is asked for."""


ERRORS = ((UnknownSourceDomain, 400, "code-invalid"), (UnknownTargetDomain, 403, "code-invalid"))


def cross_reference(asked: Asked, _: str, pairs: Sequence[tuple[str, str]]) -> Resource:
    """Return the numbers and the address of the patient behind a number.

    Raises
    ------
    UnknownSourceDomain, UnknownTargetDomain
    UnknownResource
        Nobody has the number, or nobody whom the actor may find.
    """
    visible = visible_patients(asked.actor)
    source = _read_source(pairs)
    targets = [issuer_of(text) for name, text in pairs if name == "targetSystem" for text in text.split(",")]
    for target in targets:
        if not _is_domain(target):
            raise UnknownTargetDomain(f"no numbers of {target[:100]!r} are known here", "targetSystem")
    patient = _find(source, visible)
    with write_transaction():
        audit.record(
            asked.actor,
            "search",
            door="fhir",
            outcome="success" if patient else "refused",
            patient_id=patient.pk if patient else None,
            detail={"by": "patient number", "transaction": "ITI-83"},
        )
    if patient is None:
        raise UnknownResource("no patient has this sourceIdentifier", "sourceIdentifier")
    named = {(number.value, number.issuer) for number in numbers_of(source)}
    rows = PatientIdentifier.objects.filter(patient=patient, subsumed_at=None).order_by("pk")
    found: list[Resource] = [
        {"name": "targetIdentifier", "valueIdentifier": identifier_of(row.issuer, row.value)}
        for row in rows
        if (row.value, row.issuer) not in named and (not targets or row.issuer in targets)
    ]
    address = {"reference": f"{asked.base}/Patient/{patient.pk}"}
    return {
        "resourceType": "Parameters",
        "parameter": [*found, {"name": "targetId", "valueReference": address}],
    }


def _read_source(pairs: Sequence[tuple[str, str]]) -> Token:
    texts = [text for name, text in pairs if name == "sourceIdentifier"]
    if len(texts) != 1 or not texts[0]:
        raise InvalidParameter("give one sourceIdentifier as system|value", "sourceIdentifier")
    token = read_token("sourceIdentifier", texts[0])
    if not token.system or not token.code:
        raise InvalidParameter(
            "sourceIdentifier needs a system and a value: system|value", "sourceIdentifier"
        )
    if not _is_domain(issuer_of(token.system)):
        raise UnknownSourceDomain(f"no numbers of {token.system[:100]!r} are known here", "sourceIdentifier")
    return token


def _is_domain(issuer: str) -> bool:
    known = {domain.oid for domain in affinity().patient_domains}.union(NATIONAL_OIDS)
    return issuer in known or PatientIdentifier.objects.filter(issuer=issuer).exists()


def _find(source: Token, visible: QuerySet[Patient]) -> Patient | None:
    for number in numbers_of(source):
        found = visible.filter(identifiers__value=number.value, identifiers__issuer=number.issuer).first()
        if found is not None:
            return found
    return None


IHE_PIX = Operation(
    name="ihe-pix",
    definition="https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix",
    documentation="The other numbers of a patient (ITI-83): sourceIdentifier, targetSystem.",
    run=cross_reference,
)
