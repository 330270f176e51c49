"""Which files of a delivery we make ourselves: of a report its document and the note about what it replaces."""

from registry.models import ReportVersion
from registry.removed import find_rejection
from registry.reports import CANCELLED
from repository.delivery.made_files import MadeInstance
from repository.delivery.rejection_notes import Rejected, make_note
from repository.delivery.report_instances import ENCAPSULATED_PDF, make_document
from repository.delivery.report_uids import document_uid, note_uid, series_uid
from repository.models import Delivery

MADE_KINDS = frozenset({"report"})
REPLACED = find_rejection("113001", "DCM")
"""Rejected for Quality Reasons: the one title by which a receiver keeps what it had and shows it to nobody."""


def is_made(delivery: Delivery) -> bool:
    """Tell whether the files of a delivery are made here."""
    return delivery.kind in MADE_KINDS


def make_files(delivery: Delivery) -> list[MadeInstance]:
    """Make the files of a delivery: the same for every attempt."""
    return _make_report(delivery)


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
    assert REPLACED is not None
    rejected = [
        Rejected(series_uid(version.report_id), document_uid(key), ENCAPSULATED_PDF, is_image=False)
        for key in replaced
    ]
    return make_note(
        delivery.study, note_uid(version.pk), REPLACED, rejected, version.authored_at, number=version.pk
    )
