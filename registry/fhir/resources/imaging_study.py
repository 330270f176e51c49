"""ImagingStudy: the same studies, for the same actors, as QIDO-RS lists; one row of search becomes one resource.

The id is the Study Instance UID. Series are counted, their instances are those of DICOMweb.

Standard: FHIR R4 ImagingStudy
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils.timezone import get_default_timezone

from access import audit
from access.database import write_transaction
from registry.fhir.dates import date_time_of
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import Forbidden, InvalidParameter
from registry.fhir.identifiers import DICOM_UID, system_of
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS, find_patient_ids
from registry.fhir.resources.included import include_patients, include_reports_on
from registry.fhir.structure import Resource
from registry.fhir.studies import DCM, make_imaging_studies
from registry.fhir.values import DateRange, Token, read_date
from registry.matching import Match, make_match
from registry.models import Study
from registry.reading import permit_reading, record_reading
from registry.search import Paging, search
from registry.visibility import visible_studies

MAX_STUDIES_OF_PATIENT = 1000
_UID = re.compile(r"[0-9.]{1,64}")
_WILDCARDS = frozenset("*?\\")
REPORTS_ON = frozenset(
    {"DiagnosticReport:imaging-study", "DiagnosticReport:imagingstudy", "DiagnosticReport:study"}
)

PARAMETERS = (
    SearchParameter("_id", "token", "The Study Instance UID"),
    SearchParameter("identifier", "token", "urn:oid: and the Study Instance UID, or an accession number"),
    *PATIENT_PARAMETERS,
    SearchParameter("subject", "reference", "As patient", target="Patient"),
    SearchParameter("started", "date", "When the study began: one range of days or moments"),
    SearchParameter("modality", "token", "A modality of the study's series"),
    SearchParameter("series", "token", "urn:oid: and a Series Instance UID"),
    SearchParameter("instance", "token", "urn:oid: and a SOP Instance UID"),
    SearchParameter("status", "token", "available: what is not there is not found"),
)
_UID_KEYS = {"_id": "StudyInstanceUID", "series": "SeriesInstanceUID", "instance": "SOPInstanceUID"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search asks of the registry; `matches` is None where nothing can match.

    `accession_issuers` and `moments` are what the columns cannot say and the rows found must satisfy.
    """

    matches: tuple[Match, ...] | None
    accession_issuers: frozenset[str] = frozenset()
    moments: tuple[DateRange, ...] = ()


def read_imaging_study(asked: Asked, key: str) -> Resource:
    """Read a study.

    Raises
    ------
    UnknownStudy
        There is none, or none that the actor may see.
    """
    _require_read(asked)
    permitted = permit_reading(asked.actor, key, door="fhir")
    record_reading(asked.actor, permitted, door="fhir")
    return make_imaging_studies(asked.base, [Study.objects.get(pk=permitted.pk)])[0]


def search_imaging_studies(asked: Asked, query: Query) -> Found:
    """Search studies, newest first."""
    _require_read(asked)
    plan = plan_search(asked, query)
    offset = int(query.position[0]) if query.position else 0
    rows: list[Study] = []
    more = False
    if plan.matches is not None:
        page = search("study", plan.matches, Paging(query.count, offset), asked.actor)
        rows = [study for study in page.rows if _fits(study, plan)]
        more = page.more
    detail = {"resource": "ImagingStudy", "query": dict(query.applied), "results": len(rows)}
    with write_transaction():
        audit.record(asked.actor, "search", door="fhir", detail=detail)
    position = (offset + query.count,) if more else ()
    included = _include(asked, query, rows)
    return Found(tuple(make_imaging_studies(asked.base, rows)), position, included=tuple(included))


def _include(asked: Asked, query: Query, rows: list[Study]) -> list[Resource]:
    included: list[Resource] = []
    if {"ImagingStudy:patient", "ImagingStudy:subject"} & query.included:
        included += include_patients(asked, (study.person_id for study in rows))
    if REPORTS_ON & query.included:
        included += include_reports_on(asked, rows)
    return included


def plan_search(asked: Asked, query: Query) -> Plan:
    """Turn the parameters of a search into keys of the registry's own search.

    Raises
    ------
    InvalidParameter
        A combination that the registry cannot answer; the message says which.
    """
    matches: list[Match] | None = []
    issuers: frozenset[str] = frozenset()
    patients = find_patient_ids(asked, query.of("patient", "subject", "patient.identifier"))
    if patients is not None:
        uids = _list_uids_of(asked, patients)
        matches = _add(matches, [_match("StudyInstanceUID", uids)] if uids else None)
    for criterion in query.of(*_UID_KEYS):
        matches = _add(matches, _read_uids(criterion, _UID_KEYS[criterion.name]))
    for criterion in query.of("identifier"):
        found, issuers = _read_identifiers(criterion)
        matches = _add(matches, found)
    for criterion in query.of("modality", "status"):
        matches = _add(matches, _read_codes(criterion))
    ranges = tuple(_one_date(criterion) for criterion in query.of("started"))
    matches = _add(matches, [_match("StudyDate", [_days_of(asked_range)]) for asked_range in ranges])
    return Plan(None if matches is None else tuple(matches), issuers, ranges)


def _list_uids_of(asked: Asked, patients: frozenset[int]) -> list[str]:
    """Return the UIDs of all studies of patients: keys for a search, which finds those that the actor may see.

    Only of a patient with more studies than a search takes keys it is asked first what may be seen: that costs more.
    """
    for rows in (Study.objects.all(), visible_studies(asked.actor)):
        uids = rows.filter(person__in=patients).values_list("study_instance_uid", flat=True)
        found = list(uids[: MAX_STUDIES_OF_PATIENT + 1])
        if len(found) <= MAX_STUDIES_OF_PATIENT:
            return found
    raise InvalidParameter(f"more than {MAX_STUDIES_OF_PATIENT} studies of the patients: name one", "patient")


def _add(matches: list[Match] | None, more: list[Match] | None) -> list[Match] | None:
    """Join keys that must all match; None, where nothing can, wins."""
    return None if matches is None or more is None else [*matches, *more]


def _match(keyword: str, values: Iterable[str]) -> Match:
    return make_match("study", keyword, "\\".join(values))


def _read_uids(criterion: Criterion, keyword: str) -> list[Match] | None:
    uids = [_uid_of(value) for value in criterion.values if isinstance(value, Token)]
    known = [uid for uid in uids if uid]
    return [_match(keyword, known)] if known else None


def _uid_of(token: Token) -> str:
    """Return the UID of a token; empty for what is none."""
    text = (token.code or "").removeprefix("urn:oid:")
    return text if _UID.fullmatch(text) and token.system in (None, "", DICOM_UID) else ""


def _read_identifiers(criterion: Criterion) -> tuple[list[Match] | None, frozenset[str]]:
    """Read study UIDs or accession numbers: both at once are two searches."""
    tokens = [value for value in criterion.values if isinstance(value, Token)]
    studies = [
        token for token in tokens if token.system == DICOM_UID or (token.code or "").startswith("urn:oid:")
    ]
    if len(studies) == len(tokens):
        return _read_uids(criterion, "StudyInstanceUID"), frozenset()
    systems = {token.system for token in tokens}
    codes = [token.code or "" for token in tokens]
    if studies or len(systems) > 1 or not all(codes) or any(_WILDCARDS & set(code) for code in codes):
        raise InvalidParameter(
            "identifier takes Study Instance UIDs (urn:oid:...) or accession numbers of one system",
            "identifier",
        )
    return [_match("AccessionNumber", codes)], frozenset(system for system in systems if system is not None)


def _read_codes(criterion: Criterion) -> list[Match] | None:
    tokens = [value for value in criterion.values if isinstance(value, Token)]
    if criterion.name == "status":
        return [] if any(token.code == "available" for token in tokens) else None
    codes = [token.code for token in tokens if token.code and token.system in (None, DCM)]
    if any(_WILDCARDS & set(code) for code in codes):
        raise InvalidParameter("modality takes codes of DICOM, without wildcards", "modality")
    return [_match("ModalitiesInStudy", codes)] if codes else None


def _one_date(criterion: Criterion) -> DateRange:
    value = criterion.values[0]
    if len(criterion.values) > 1 or not isinstance(value, DateRange) or value.prefix in ("ne", "ap"):
        raise InvalidParameter("started takes one date at a time, with any prefix but ne and ap", "started")
    return value


def _days_of(value: DateRange) -> str:
    """Return the days that hold everything a range may mean, in whatever zone; `_fits` looks closer."""
    local, day = get_default_timezone(), timedelta(days=1)
    first, last = (f"{moment.astimezone(local):%Y%m%d}" for moment in (value.start - day, value.end + day))
    if value.prefix == "eq":
        return f"{first}-{last}"
    return f"{first}-" if value.prefix in ("gt", "ge", "sa") else f"-{last}"


def _fits(study: Study, plan: Plan) -> bool:
    if plan.accession_issuers and system_of(study.accession_issuer) not in plan.accession_issuers:
        return False
    if not plan.moments:
        return True
    started = date_time_of(study.study_date, study.study_time, study.timezone_offset_from_utc)
    if not started:
        return False
    period = read_date("started", started)
    return all(moment.matches(period.start, period.end) for moment in plan.moments)


def _require_read(asked: Asked) -> None:
    if not asked.actor.may("read"):
        raise Forbidden(f"{asked.actor.subject} may not read: the credential's scopes do not include it")


DOOR = ResourceDoor(
    type="ImagingStudy",
    documentation="The studies that QIDO-RS lists for the same caller; series with their counts, images by WADO-RS.",
    read=read_imaging_study,
    search=search_imaging_studies,
    parameters=PARAMETERS,
    sorts=("-started",),
    includes=("ImagingStudy:patient", "ImagingStudy:subject"),
    reverse_includes=tuple(sorted(REPORTS_ON)),
)
