"""Search of Consents: those of a patient, of a block, or of the whole region for who keeps that.

Standard: FHIR R4 search.html, consent.html#search
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from django.utils import timezone

from access import audit
from access.database import write_transaction
from registry.fhir.consents.form import make_consents
from registry.fhir.consents.rows import Kept, find_kept, list_kept, list_lifts
from registry.fhir.door import Asked, Found
from registry.fhir.errors import InvalidParameter
from registry.fhir.identifiers import issuer_of
from registry.fhir.parameters import Query, SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS, find_patient_ids
from registry.fhir.structure import Resource
from registry.fhir.values import DateRange, ReferenceValue, Token
from registry.models import Block

MAX_EXAMINED = 5000
"""Rows that one page looks at; a page that found fewer than it may goes on with its next link."""
_BATCH = 50

PARAMETERS = (
    SearchParameter("_id", "token", "consent-, block- or lift- and the key of the row"),
    *PATIENT_PARAMETERS,
    SearchParameter("status", "token", "active or inactive (withdrawn, cancelled or over)"),
    SearchParameter(
        "category", "token", "The kind: consent, incapacity, guardian, block, silent, absolute, lift"
    ),
    SearchParameter("scope", "token", "patient-privacy"),
    SearchParameter("date", "date", "When it was registered"),
    SearchParameter("period", "date", "When it holds"),
    SearchParameter("actor", "reference", "The recipient, as Organization/ or Practitioner/ and the HSA-id"),
    SearchParameter("actor.identifier", "token", "The recipient's HSA-id, as system|value"),
    SearchParameter(
        "source-reference", "reference", "The block that lifts are of, as Consent/block-...", target="Consent"
    ),
    SearchParameter("_lastUpdated", "date", "When it last changed"),
)


def search_consents(asked: Asked, query: Query) -> Found:
    """Search blocks, then consents, each in the order of registration; lifts by their block or id.

    Raises
    ------
    InvalidParameter
        It names no patient, and the actor keeps no register of the whole region.
    """
    now = timezone.now()
    patients = find_patient_ids(asked, query.of("patient", "patient.identifier"))
    found = _fill_page(asked, query, _list_candidates(asked, query, patients, now))
    _record(asked, query, patients, len(found.resources))
    return found


def _fill_page(asked: Asked, query: Query, candidates: Iterator[Kept]) -> Found:
    """Take what matches until the page is full, or enough was looked at: then the next page goes on from there."""
    resources: list[Resource] = []
    position: tuple[str | int, ...] = ()
    for examined, (kept, resource) in enumerate(_with_resources(candidates)):
        if len(resources) == query.count or examined == MAX_EXAMINED:
            return Found(tuple(resources), position)
        position = (kept.kind, kept.row.pk)
        if _matches(asked, kept, resource, query):
            resources.append(resource)
    return Found(tuple(resources))


def _with_resources(candidates: Iterator[Kept]) -> Iterator[tuple[Kept, Resource]]:
    while batch := list(islice(candidates, _BATCH)):
        yield from zip(batch, make_consents(batch), strict=True)


def _list_candidates(
    asked: Asked, query: Query, patients: frozenset[int] | None, now: datetime
) -> Iterator[Kept]:
    after = (str(query.position[0]), int(query.position[1])) if query.position else None
    by_key = [*_find_by_id(asked, query, now), *_find_lifts(asked, query, now)]
    if query.of("_id", "source-reference"):
        behind = (kept for kept in by_key if after is None or (kept.kind, kept.row.pk) > after)
        return (kept for kept in behind if patients is None or kept.patient.pk in patients)
    if patients is None and not asked.actor.scope.region_wide:
        raise InvalidParameter("name the patient: patient or patient.identifier", "patient")
    return list_kept(asked.actor, patients, after, now)


def _find_by_id(asked: Asked, query: Query, now: datetime) -> Iterator[Kept]:
    keys = {
        value.code for criterion in query.of("_id") for value in criterion.values if isinstance(value, Token)
    }
    found = (find_kept(asked.actor, key or "", now) for key in keys)
    return iter(sorted((kept for kept in found if kept), key=lambda kept: (kept.kind, kept.row.pk)))


def _find_lifts(asked: Asked, query: Query, now: datetime) -> Iterator[Kept]:
    if query.of("_id"):
        return
    blocks = set()
    for criterion in query.of("source-reference"):
        for value in criterion.values:
            if isinstance(value, ReferenceValue) and value.names("Consent", asked.base):
                blocks.add(value.id.removeprefix("block-"))
    for key in sorted(key for key in blocks if key.isascii() and key.isdigit() and len(key) <= 18):
        yield from list_lifts(asked.actor, int(key), now)


def _matches(asked: Asked, kept: Kept, resource: Resource, query: Query) -> bool:
    return all(
        any(_is_meant(asked, criterion.name, value, kept, resource) for value in criterion.values)
        for criterion in query.criteria
        if criterion.name not in ("patient", "patient.identifier")
    )


def _is_meant(asked: Asked, name: str, value: object, kept: Kept, resource: Resource) -> bool:
    if isinstance(value, Token):
        return any(value.matches(system, code) for system, code in _list_codes(name, value, resource))
    if isinstance(value, DateRange):
        return value.matches(*_period_of(name, kept))
    if not isinstance(value, ReferenceValue):
        return False
    if name == "source-reference":
        return bool(resource.get("sourceReference", {}).get("reference") == f"Consent/{value.id}")
    parties = _list_parties(resource)
    return any(value.names(kind, asked.base) and value.id == hsa_id for kind, _, hsa_id in parties)


def _list_codes(name: str, value: Token, resource: Resource) -> Iterator[tuple[str, str]]:
    if name == "_id":
        yield "", resource["id"]
    elif name == "status":
        yield "http://hl7.org/fhir/consent-state-codes", resource["status"]
    elif name == "actor.identifier":
        # Any spelling of the system will do: it is the one that was asked with, if both name the same issuer.
        for _, system, hsa_id in _list_parties(resource):
            yield (
                (value.system or "") if issuer_of(value.system or "") == issuer_of(system) else system,
                hsa_id,
            )
    else:
        concepts = [resource["scope"]] if name == "scope" else resource["category"]
        yield from ((item["system"], item["code"]) for concept in concepts for item in concept["coding"])


def _list_parties(resource: Resource) -> list[tuple[str, str, str]]:
    """Return type, system and value of every recipient, those of lifts as well."""
    provisions = [resource["provision"], *resource["provision"].get("provision", ())]
    references = [actor["reference"] for provision in provisions for actor in provision.get("actor", ())]
    return [
        (reference["type"], reference["identifier"].get("system", ""), reference["identifier"]["value"])
        for reference in references
    ]


def _period_of(name: str, kept: Kept) -> tuple[datetime | None, datetime | None]:
    if name == "period":
        row = kept.row
        return row.valid_from, None if isinstance(row, Block) else row.valid_to
    moment = kept.row.registered_at if name == "date" else kept.changes[-1]
    return moment, moment


def _record(asked: Asked, query: Query, patients: Iterable[int] | None, results: int) -> None:
    named = list(patients or ())
    detail = {"resource": "Consent", "query": dict(query.applied), "results": results}
    patient_id = named[0] if len(named) == 1 else None
    with write_transaction():
        audit.record(asked.actor, "consent_read", door="fhir", patient_id=patient_id, detail=detail)
