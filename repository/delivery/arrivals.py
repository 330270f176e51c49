"""What follows when something has arrived: who received a report is told when it is corrected."""

from registry.models import Change, ReportVersion
from registry.report_readings import note_receipt
from repository.models import Delivery


def note_arrival(change: Change) -> None:
    """Note what a delivery that has arrived means to others; in the planner's transaction."""
    rows = Delivery.objects.select_related("destination__department")
    delivery = rows.filter(pk=change.detail.get("delivery")).first()
    if delivery is not None and delivery.kind == "report":
        _note_report(delivery)


def _note_report(delivery: Delivery) -> None:
    rows = ReportVersion.objects.select_related("report")
    version = rows.filter(pk=delivery.because["report_version"]).first()
    if version is not None:
        note_receipt(version, delivery.destination.department)
