"""Which files of a delivery we make ourselves: of a report its document and the note about what it replaces; of a
recall the note about what is not to be used."""

from registry.models import ReportVersion
from registry.removed import Code, find_rejection
from registry.reports import CANCELLED
from repository.delivery.contents.made_files import MadeInstance
from repository.delivery.contents.recalled import find_recalled
from repository.delivery.contents.rejection_notes import Rejected, make_note
from repository.delivery.contents.report_instances import ENCAPSULATED_PDF, make_document
from repository.delivery.contents.report_uids import document_uid, instance_number, note_uid, series_uid
from repository.models import Delivery, RecallReceipt

MADE_KINDS = frozenset({"report", "recall"})
REPLACED = Code("113001", "DCM", "Rejected for Quality Reasons")
"""Rejected for Quality Reasons: the one title by which a receiver keeps what it had and shows it to nobody."""


def is_made(delivery: Delivery) -> bool:
    """Tell whether the files of a delivery are made here."""
    return delivery.kind in MADE_KINDS


def make_files(delivery: Delivery) -> list[MadeInstance]:
    """Make the files of a delivery: the same for every attempt."""
    return _make_recall(delivery) if delivery.kind == "recall" else _make_report(delivery)


def _make_report(delivery: Delivery) -> list[MadeInstance]:
    rows = ReportVersion.objects.select_related("report")
    version = rows.filter(pk=delivery.because["report_version"]).first()
    if version is None:
        return []
    made = [] if version.status == CANCELLED else [make_document(version, delivery.study)]
    note = _make_note(delivery, version)
    return [*made, note] if note is not None else made


def _make_note(delivery: Delivery, version: ReportVersion) -> MadeInstance | None:
    replaced = [int(key) for key in str(delivery.because.get("replaces", "")).split(",") if key]
    if not replaced or not delivery.destination.processes_rejection:
        return None
    rows = ReportVersion.objects.select_related("report").filter(pk__in=replaced).order_by("pk")
    rejected = [
        Rejected(series_uid(row.report), document_uid(row), ENCAPSULATED_PDF, is_image=False) for row in rows
    ]
    number = instance_number(version)
    return make_note(
        delivery.study, note_uid(version), REPLACED, rejected, version.authored_at, number=number
    )


def _make_recall(delivery: Delivery) -> list[MadeInstance]:
    receipt = (
        RecallReceipt.objects.select_related("recall__removal")
        .filter(recall=int(delivery.subject), destination=delivery.destination_id)
        .first()
    )
    if receipt is None:
        return []
    recall = receipt.recall
    rejected = [
        Rejected(
            row.series.series_instance_uid, row.sop_instance_uid, row.sop_class_uid, row.rows is not None
        )
        for row in find_recalled(receipt)
    ]
    uid = delivery.items.get().sop_instance_uid  # as it was planned
    code = find_rejection(recall.code_value, "DCM") or REPLACED
    return [make_note(delivery.study, uid, code, rejected, recall.made_at, number=recall.pk)]
