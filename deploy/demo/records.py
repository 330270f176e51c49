"""Orders and reports of the region as rows, so that pages show what was asked and what was answered."""

from collections.abc import Iterable

from access.database import run_write
from access.models import Department
from deploy.region.facts import Order as PlannedOrder
from deploy.region.facts import Region, ReportState
from deploy.region.facts import ReportVersion as PlannedVersion
from deploy.region.facts import Study as PlannedStudy
from registry.models import Order, Patient, PatientIdentifier, Report, ReportVersion, Study
from registry.reports import ReportDraft, digest_of

CHUNK = 40
STATUS_OF = {
    ReportState.PRELIMINARY: "preliminary",
    ReportState.FINAL: "final",
    ReportState.AMENDED: "addendum",
}
TIMESTAMP_OF = {
    ReportState.PRELIMINARY: "preliminary_at",
    ReportState.FINAL: "final_at",
    ReportState.AMENDED: "corrected_at",
}


def write_records(region: Region) -> None:
    """Write the orders and reports of all studies that are stored, and the open orders; what is there stays."""
    departments = {row.hsa_id: row for row in Department.objects.all()}
    for start in range(0, len(region.studies), CHUNK):
        chunk = region.studies[start : start + CHUNK]
        run_write(lambda: _write_studies(chunk, departments))  # noqa: B023 (called at once)
    run_write(lambda: _write_open_orders(region.open_orders, departments))


def _write_studies(planned: Iterable[PlannedStudy], departments: dict[str, Department]) -> None:
    for study in planned:
        row = (
            Study.objects.filter(study_instance_uid=study.study_instance_uid).select_related("person").first()
        )
        if row is not None:
            order = _write_order(study.order, study.accession_number, row.person, departments)
            order.studies.add(row)
            _write_report(study, row, order)
            _write_timestamps(study, row)


def _write_order(
    order: PlannedOrder, accession_number: str, person: Patient, departments: dict[str, Department]
) -> Order:
    maker, performing = order.performing_hospital.maker, order.performing_hospital.departments[0]
    procedure = maker.procedures[order.exam.kind]
    row, _ = Order.objects.get_or_create(
        accession_number=accession_number,
        accession_issuer=order.performing_hospital.issuer_oid,
        defaults={
            "patient": person,
            "placer_order_number": order.placer_order_number,
            "ordering_department": departments[order.requesting_department.hsa_id],
            "performing_department": departments[performing.hsa_id],
            "requester": order.requesting_physician.to_dicom(),
            "procedure_code": procedure.code,
            "procedure_code_scheme": maker.coding_scheme,
            "procedure_text": procedure.description,
            "question": order.question,
            "urgency": "urgent" if order.is_urgent else "normal",
            "status": "completed" if order.accession_number else "requested",
            "ordered_at": order.ordered_at,
        },
    )
    return row


def _write_report(study: PlannedStudy, row: Study, order: Order) -> None:
    if not study.reports:
        return
    report, created = Report.objects.get_or_create(
        filler_number=study.accession_number,
        issuer=study.hospital.issuer_oid,
        defaults={"patient": row.person, "title": f"Utlåtande {study.description}"},
    )
    if not created:
        return
    report.orders.add(order)
    report.studies.add(row)
    ReportVersion.objects.bulk_create(_make_version(report, version) for version in study.reports)


def _make_version(report: Report, version: PlannedVersion) -> ReportVersion:
    draft = ReportDraft(
        patient=report.patient,
        filler_number=report.filler_number,
        status=STATUS_OF[version.state],
        changed_at=version.reported_at,
        author=version.reader.to_dicom(),
        text=f"{version.findings}\n\n{version.impression}",
    )
    return ReportVersion(
        report=report,
        number=version.version,
        status=draft.status,
        author=draft.author,
        text=draft.text,
        authored_at=draft.changed_at,
        digest=digest_of(draft),  # by which the journal and its receivers know a version
    )


def _write_timestamps(study: PlannedStudy, row: Study) -> None:
    moments = {TIMESTAMP_OF[version.state]: version.reported_at for version in study.reports}
    moments |= {"ordered_at": study.order.ordered_at, "performed_at": study.performed_at}
    Study.objects.filter(pk=row.pk).update(**moments)


def _write_open_orders(orders: Iterable[PlannedOrder], departments: dict[str, Department]) -> None:
    for order in orders:
        number = PatientIdentifier.objects.filter(value=order.patient.personal_number, is_national=True)
        known = number.select_related("patient").first()
        if known is not None:
            _write_order(order, order.placer_order_number, known.patient, departments)
