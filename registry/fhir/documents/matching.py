"""Search parameters of documents as conditions on columns, and what no column says as tests of a row.

Standard: IHE ITI TF-2 3.67.4.1.2.1 (ITI-67), IHE RAD MADO (search parameters)
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q

from registry.fhir.conditions import any_of, tokens_of
from registry.fhir.documents.code_systems import DCM, SNOMED, schemes_of
from registry.fhir.documents.hl7_texts import components, unescape
from registry.fhir.documents.identifiers import (
    ACCESSION_REFERENCE,
    STUDY_REFERENCE,
    URI,
    is_uuid,
    uuid_of_id,
)
from registry.fhir.documents.times import end_of_dtm, start_of_dtm
from registry.fhir.identifiers import DICOM_UID, issuer_of
from registry.fhir.parameters import Criterion
from registry.fhir.values import DateRange, Token
from registry.models import DocumentCode, DocumentEntry, ReferenceId
from registry.names import fold_accents

CODE_KINDS = {
    "category": "class",
    "type": "type",
    "format": "format",
    "setting": "practice_setting",
    "facility": "facility_type",
    "event": "event",
    "security-label": "confidentiality",
    "modality": "event",
    "anatomical-region": "event",
    "bodysite": "event",
}
_SYSTEMS = {"modality": DCM, "anatomical-region": SNOMED, "bodysite": SNOMED}
STATUSES = {"current": "approved", "superseded": "deprecated", "retired": "deprecated"}


def document_condition(criterion: Criterion) -> Q:
    """Return what a criterion says of the columns of an entry; nothing for one that rows are tested by."""
    name, tokens = criterion.name, tokens_of(criterion)
    if name in CODE_KINDS:
        return _has_code(tokens, CODE_KINDS[name], _SYSTEMS.get(name))
    if name == "_id":
        return Q(entry_uuid__in=[uuid_of_id(token.code or "") for token in tokens])
    if name == "status":
        return Q(status__in=[STATUSES.get(token.code or "", "") for token in tokens])
    if name == "identifier":
        return any_of(_identifier(token) for token in tokens)
    if name == "study-instance-uid":
        uids = [(token.code or "").removeprefix("urn:oid:") for token in tokens]
        return Q(study__study_instance_uid__in=uids) | _refers(Q(value__in=uids, type_code=STUDY_REFERENCE))
    if name == "accession-number":
        return any_of(_refers(_reference(token) & Q(type_code=ACCESSION_REFERENCE)) for token in tokens)
    if name in ("related", "related.identifier"):
        return any_of(_refers(_reference(token)) for token in tokens)
    return Q()


def fits_document(entry: DocumentEntry, criteria: Sequence[Criterion]) -> bool:
    """Tell whether an entry is as the criteria say that no column answers: names and times."""
    return all(_fits(entry, criterion) for criterion in criteria)


def names_match(authors: Iterable[Mapping[str, Any]], criteria: Sequence[Criterion]) -> bool:
    """Tell whether one author has the names that all criteria (`.given`, `.family`) ask for."""
    return not criteria or any(
        all(_has_name(str(author.get("person", "")), criterion) for criterion in criteria)
        for author in authors
    )


def time_matches(criterion: Criterion, start: datetime | None, end: datetime | None) -> bool:
    """Tell whether a time lies as one of the dates of a criterion says."""
    return any(value.matches(start, end) for value in criterion.values if isinstance(value, DateRange))


def code_matches(criterion: Criterion, codes: Iterable[Mapping[str, str]]) -> bool:
    """Tell whether one of the codes of a row is meant."""
    return any(
        (token.code is None or token.code == code.get("code"))
        and (token.system is None or code.get("scheme") in schemes_of(token.system))
        for token in tokens_of(criterion)
        for code in codes
    )


def _fits(entry: DocumentEntry, criterion: Criterion) -> bool:
    if criterion.name == "creation":
        return _known_time_matches(criterion, entry.creation_time)
    if criterion.name == "date":
        if entry.creation_time:
            return _known_time_matches(criterion, entry.creation_time)
        return time_matches(criterion, entry.registered_at, entry.registered_at)
    if criterion.name == "_lastUpdated":
        return time_matches(criterion, entry.updated_at, entry.updated_at)
    if criterion.name == "period":
        start, end = start_of_dtm(entry.service_start_time), end_of_dtm(entry.service_stop_time)
        return any(
            # An interval which the time of service overlaps, says the profile, where FHIR says one that holds it.
            (DateRange("ap", value.start, value.end) if value.prefix == "eq" else value).matches(start, end)
            for value in criterion.values
            if isinstance(value, DateRange)
        )
    return True


def _known_time_matches(criterion: Criterion, dtm: str) -> bool:
    start = start_of_dtm(dtm)
    return start is not None and time_matches(criterion, start, end_of_dtm(dtm))


def _has_name(xcn: str, criterion: Criterion) -> bool:
    parts = [*components(xcn), "", "", "", ""]
    held = parts[1:2] if criterion.name.endswith(".family") else parts[2:4]
    words = [unescape(part) for part in held if part]
    for value in criterion.values:
        text = str(value)
        if criterion.modifier == "exact":
            if text in words:
                return True
            continue
        folded = fold_accents(text)
        for word in map(fold_accents, words):
            if word.startswith(folded) or (criterion.modifier == "contains" and folded in word):
                return True
    return False


def _has_code(tokens: Sequence[Token], kind: str, system: str | None) -> Q:
    condition = any_of(_code(token, system) for token in tokens)
    return Q(Exists(DocumentCode.objects.filter(condition, entry=OuterRef("pk"), kind=kind)))


def _code(token: Token, system: str | None) -> Q:
    wanted = system if token.system is None else token.system
    condition = Q() if token.code is None else Q(code=token.code)
    if wanted is None:
        return condition
    return condition & Q(scheme__in=schemes_of(wanted))


def _identifier(token: Token) -> Q:
    """Find by unique id or entry UUID: as URI, bare, or an OID and its extension as system and value."""
    text = token.code or ""
    if is_uuid(text) and token.system in (None, URI):
        return Q(entry_uuid=text.lower()) | Q(unique_id=text)
    uid = text.removeprefix("urn:oid:")
    if token.system in (None, "", URI):
        return Q(unique_id=uid)
    return Q(unique_id=f"{issuer_of(token.system or '')}^{text}") | (
        Q(unique_id=text) & Q(extra__has_key="urn:samsyn:masterIdentifier.system")
    )


def _reference(token: Token) -> Q:
    text = (token.code or "").removeprefix("urn:oid:")
    condition = Q(value=text)
    if token.system == DICOM_UID:
        return condition & Q(type_code=STUDY_REFERENCE)
    if token.system in (None, "", URI):
        return condition
    issuer = issuer_of(token.system or "")
    return condition & Q(text__contains=f"&{issuer}&")


def _refers(condition: Q) -> Q:
    return Q(Exists(ReferenceId.objects.filter(condition, entry=OuterRef("pk"))))
