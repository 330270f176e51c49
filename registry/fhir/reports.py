"""Reports that were permitted, as FHIR DiagnosticReport: each version of a chain is a version of the resource.

Standard: FHIR R4 DiagnosticReport
"""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha1

from access.actor import Actor
from registry.document_visibility import visible_orders
from registry.fhir.dates import date_time_of, instant
from registry.fhir.directory import refer_to_organization
from registry.fhir.identifiers import DICOM_UID, identifier_of
from registry.fhir.orders import V2_0203, plain_name, refer_to_order
from registry.fhir.structure import Resource
from registry.fhir.subjects import refer_to_patients
from registry.models import Order, Report, ReportVersion, Study

STATUSES = {
    "preliminary": "preliminary",
    "final": "final",
    "addendum": "appended",
    "appended": "appended",
    "corrected": "corrected",
    "amended": "amended",
    "cancelled": "cancelled",
}
"""The status of a version as FHIR says it (DiagnosticReportStatus); another word is `unknown`."""
IMAGING_REPORT = {
    "coding": [{"system": "http://loinc.org", "code": "18748-4", "display": "Diagnostic imaging study"}]
}
RADIOLOGY = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD", "display": "Radiology"}
    ]
}


def make_diagnostic_reports(actor: Actor, reports: Sequence[tuple[Report, ReportVersion]]) -> list[Resource]:
    """Make the resources of versions of reports that were permitted; orders that may not be seen are not named."""
    subjects = refer_to_patients(report.patient_id for report, _ in reports)
    orders = _visible_orders_of(actor, [report for report, _ in reports])
    return [
        _make(report, version, subjects[report.patient_id], orders[report.pk]) for report, version in reports
    ]


def effective_of(report: Report) -> str:
    """Return when what is reported on was: of the first of its studies, empty without."""
    moments = [
        date_time_of(study.study_date, study.study_time, study.timezone_offset_from_utc)
        for study in report.studies.all()
    ]
    return min((moment for moment in moments if moment), default="")


def _visible_orders_of(actor: Actor, reports: Sequence[Report]) -> dict[int, list[Order]]:
    found: defaultdict[int, list[Order]] = defaultdict(list)
    keys = [report.pk for report in reports]
    links = list(Report.orders.through.objects.filter(report__in=keys).values_list("report_id", "order_id"))
    if links:
        rows = Order.objects.filter(pk__in={order for _, order in links})
        seen = {order.pk: order for order, _ in visible_orders(actor, rows)}
        for report_id, order_id in sorted(links):
            if order_id in seen:
                found[report_id].append(seen[order_id])
    return found


def _make(report: Report, version: ReportVersion, subject: Resource, orders: Sequence[Order]) -> Resource:
    author = plain_name(version.author)
    performers = {
        order.performing_department.hsa_id: refer_to_organization(order.performing_department)
        for order in orders
        if order.performing_department is not None
    }
    optional: Resource = {
        "basedOn": [refer_to_order(order) for order in orders],
        "effectiveDateTime": effective_of(report),
        "performer": [*performers.values()] or ([{"display": author}] if author else []),
        "resultsInterpreter": [{"display": author}] if author else [],
        "imagingStudy": [_refer_to_study(study) for study in report.studies.all()],
        "presentedForm": [_attachment(report, version)] if version.text else [],
    }
    return {
        "resourceType": "DiagnosticReport",
        "id": str(report.pk),
        "meta": {"versionId": str(version.pk), "lastUpdated": instant(version.received_at)},
        "identifier": [
            {
                "type": {"coding": [{"system": V2_0203, "code": "FILL"}]},
                **identifier_of(report.issuer, report.filler_number),
            }
        ],
        "status": STATUSES.get(version.status, "unknown"),
        "category": [RADIOLOGY],
        "code": IMAGING_REPORT | ({"text": report.title} if report.title else {}),
        "subject": subject,
        "issued": instant(version.authored_at),
        **{name: value for name, value in optional.items() if value},
    }


def _refer_to_study(study: Study) -> Resource:
    return {
        "reference": f"ImagingStudy/{study.study_instance_uid}",
        "type": "ImagingStudy",
        "identifier": {"system": DICOM_UID, "value": f"urn:oid:{study.study_instance_uid}"},
    }


def _attachment(report: Report, version: ReportVersion) -> Resource:
    content = version.text.encode()
    attachment: Resource = {
        "contentType": "text/plain; charset=utf-8",
        "data": b64encode(content).decode(),
        "size": len(content),
        "hash": b64encode(sha1(content, usedforsecurity=False).digest()).decode(),
        "creation": instant(version.authored_at),
    }
    if version.language:
        attachment["language"] = version.language
    if report.title:
        attachment["title"] = report.title
    return attachment
