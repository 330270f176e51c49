"""DiagnosticReport: reports on the studies that the actor may see; the newest version, and earlier ones by `_history`.

Whoever is shown a version has read it: the access log says which.

Standard: FHIR R4 DiagnosticReport
"""

from collections.abc import Callable

from django.db.models import OuterRef, Q, QuerySet, Subquery

from access import audit
from access.database import write_transaction
from access.policy import Decision
from registry.document_visibility import visible_reports
from registry.fhir.conditions import any_of, date_condition, number_condition, order_numbers, tokens_of
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import UnknownResource
from registry.fhir.identifiers import DICOM_UID
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS, find_patient_ids
from registry.fhir.report_rows import newest_versions, record_report_reading
from registry.fhir.reports import STATUSES, effective_of, make_diagnostic_reports
from registry.fhir.resources.included import include_orders_of, include_patients, include_studies
from registry.fhir.scan import key_of, require_read, scan
from registry.fhir.structure import Resource
from registry.fhir.values import DateRange, ReferenceValue, Token, read_date
from registry.models import Report, ReportVersion

STUDY_PARAMETERS = ("imaging-study", "imagingstudy", "study")
PARAMETERS = (
    SearchParameter("_id", "token", "The id"),
    SearchParameter("identifier", "token", "The report's number at its source, as number or system|number"),
    *PATIENT_PARAMETERS,
    SearchParameter("subject", "reference", "As patient", target="Patient"),
    SearchParameter("status", "token", "preliminary, final, appended, amended, corrected or cancelled"),
    SearchParameter("date", "date", "When the study was"),
    SearchParameter("issued", "date", "When the newest version was authored"),
    SearchParameter("category", "token", "RAD: others are not kept"),
    SearchParameter("code", "token", "18748-4: others are not kept"),
    SearchParameter("based-on", "reference", "The order, as ServiceRequest/id", target="ServiceRequest"),
    SearchParameter("based-on.identifier", "token", "A number of the order, as number or system|number"),
    *(
        SearchParameter(name, "reference", "The study, as ImagingStudy/uid or its UID", target="ImagingStudy")
        for name in STUDY_PARAMETERS
    ),
    *(
        SearchParameter(f"{name}.identifier", "token", "The study: urn:oid: and its UID")
        for name in STUDY_PARAMETERS
    ),
)


def read_diagnostic_report(asked: Asked, key: str) -> Resource:
    """Read the newest version of a report.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may see.
    """
    return _read(asked, key, lambda versions: versions[:1])[0]


def read_report_version(asked: Asked, key: str, version: str) -> Resource:
    """Read one version of a report.

    Raises
    ------
    UnknownResource
        The report has none of this number, or the actor may not see the report.
    """
    return _read(asked, key, lambda versions: [row for row in versions if row.pk == key_of(version)])[0]


def read_report_history(asked: Asked, key: str) -> tuple[Resource, ...]:
    """Read all versions of a report, newest first."""
    return tuple(_read(asked, key, lambda versions: versions))


def _read(
    asked: Asked, key: str, choose: Callable[[list[ReportVersion]], list[ReportVersion]]
) -> list[Resource]:
    require_read(asked)
    found = visible_reports(asked.actor, Report.objects.filter(pk=key_of(key)))
    if not found:
        raise UnknownResource("no such DiagnosticReport")
    report, decision = found[0]
    versions = choose(list(report.versions.order_by("-number")))
    if not versions:
        raise UnknownResource("no such DiagnosticReport")
    return _show(asked, [(report, version, decision) for version in versions])


def _show(asked: Asked, shown: list[tuple[Report, ReportVersion, Decision]]) -> list[Resource]:
    with write_transaction():
        for report, version, decision in shown:
            record_report_reading(asked.actor, report, version, decision)
    return make_diagnostic_reports(asked.actor, [(report, version) for report, version, _ in shown])


def search_diagnostic_reports(asked: Asked, query: Query) -> Found:
    """Search reports, newest first, each in its newest version."""
    require_read(asked)
    rows = select_candidates(asked, query)
    dates = query.of("date")
    page = scan(asked.actor, rows, query, visible_reports, lambda report: _is_of_date(report, dates))
    newest = newest_versions([report for report, _ in page.rows])
    shown = [(report, newest[report.pk], why) for report, why in page.rows if report.pk in newest]
    detail = {"resource": "DiagnosticReport", "query": dict(query.applied), "results": len(shown)}
    with write_transaction():
        audit.record(asked.actor, "search", door="fhir", detail=detail)
    included = _include(asked, query, [report for report, _, _ in shown])
    return Found(tuple(_show(asked, shown)), page.position, included=tuple(included))


def select_candidates(asked: Asked, query: Query) -> QuerySet[Report]:
    """Return the reports that the columns say match, whether the actor may see them or not."""
    newest = ReportVersion.objects.filter(report=OuterRef("pk")).order_by("-number")
    rows = Report.objects.annotate(
        newest_status=Subquery(newest.values("status")[:1]),
        newest_at=Subquery(newest.values("authored_at")[:1]),
    ).filter(newest_at__isnull=False)
    patients = find_patient_ids(asked, query.of("patient", "subject", "patient.identifier"))
    if patients is not None:
        rows = rows.filter(patient__in=patients)
    for criterion in query.criteria:
        rows = rows.filter(_condition_of(asked, criterion))
    if query.sort:
        return rows.order_by("newest_at" if query.sort[0] == "issued" else "-newest_at", "-pk")
    return rows.order_by("-pk")


def _condition_of(asked: Asked, criterion: Criterion) -> Q:
    name, tokens = criterion.name, tokens_of(criterion)
    if name == "_id":
        return Q(pk__in=[key_of(token.code or "") for token in tokens])
    if name == "identifier":
        return any_of(number_condition(token, "filler_number", "issuer") for token in tokens)
    if name == "status":
        wanted = {token.code for token in tokens}
        return Q(newest_status__in=[word for word, status in STATUSES.items() if status in wanted])
    if name == "issued":
        return any_of(date_condition("newest_at", value, name) for value in criterion.values)
    if name in ("category", "code"):
        kept = {"category": "RAD", "code": "18748-4"}[name]
        return Q() if any(token.code in (None, kept) for token in tokens) else Q(pk__in=[])
    if name.startswith("based-on"):
        return Q(pk__in=_reports_of_orders(asked, criterion))
    if name.partition(".")[0] in STUDY_PARAMETERS:
        return Q(pk__in=_reports_on_studies(asked, criterion))
    return Q()


def _reports_of_orders(asked: Asked, criterion: Criterion) -> QuerySet[Report, int]:
    keys = [
        key_of(value.id)
        for value in criterion.values
        if isinstance(value, ReferenceValue) and value.names("ServiceRequest", asked.base)
    ]
    found = Report.objects.filter(Q(orders__in=keys) | order_numbers(tokens_of(criterion), "orders__"))
    return found.values_list("pk", flat=True)


def _reports_on_studies(asked: Asked, criterion: Criterion) -> QuerySet[Report, int]:
    uids = [
        value.id
        for value in criterion.values
        if isinstance(value, ReferenceValue) and value.names("ImagingStudy", asked.base)
    ]
    uids += [
        (value.code or "").removeprefix("urn:oid:")
        for value in criterion.values
        if isinstance(value, Token) and value.system in (None, "", DICOM_UID)
    ]
    return Report.objects.filter(studies__study_instance_uid__in=uids).values_list("pk", flat=True)


def _is_of_date(report: Report, criteria: tuple[Criterion, ...]) -> bool:
    if not criteria:
        return True
    moment = effective_of(report)
    if not moment:
        return False
    period = read_date("date", moment)
    return all(
        any(isinstance(value, DateRange) and value.matches(period.start, period.end) for value in one.values)
        for one in criteria
    )


def _include(asked: Asked, query: Query, reports: list[Report]) -> list[Resource]:
    included: list[Resource] = []
    if {"DiagnosticReport:patient", "DiagnosticReport:subject"} & query.included:
        included += include_patients(asked, (report.patient_id for report in reports))
    if "DiagnosticReport:based-on" in query.included:
        included += include_orders_of(asked, reports)
    if {f"DiagnosticReport:{name}" for name in STUDY_PARAMETERS} & query.included:
        included += include_studies(asked, reports)
    return included


DOOR = ResourceDoor(
    type="DiagnosticReport",
    documentation=(
        "Reports on studies, each in its newest version with its text; earlier versions by _history. Whoever is "
        "shown a version has read it."
    ),
    read=read_diagnostic_report,
    search=search_diagnostic_reports,
    read_version=read_report_version,
    history=read_report_history,
    parameters=PARAMETERS,
    sorts=("-issued", "issued"),
    includes=(
        "DiagnosticReport:patient",
        "DiagnosticReport:subject",
        "DiagnosticReport:based-on",
        *(f"DiagnosticReport:{name}" for name in STUDY_PARAMETERS),
    ),
)
