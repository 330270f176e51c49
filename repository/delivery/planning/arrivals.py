"""What follows when something has arrived: who received a report is told when it is corrected, a recall is closed."""

from registry.models import Change, ReportVersion
from registry.report_readings import note_receipt
from repository.delivery.allowed import OF_IMAGES
from repository.delivery.planning.recall_planning import recall_late
from repository.delivery.planning.recall_receipts import note_acknowledged, note_corrected
from repository.models import Delivery


def note_arrival(change: Change) -> set[str]:
    """Note what a delivery that has arrived means to others; in the planner's transaction.

    Returns
    -------
    set of str
        The priorities that have new work: what was removed while it was on its way is recalled.
    """
    rows = Delivery.objects.select_related("destination__department")
    delivery = rows.filter(pk=change.detail.get("delivery")).first()
    if delivery is None:
        return set()
    if delivery.kind == "report":
        _note_report(delivery)
    elif delivery.kind == "recall":
        note_acknowledged(delivery)
    elif delivery.kind == "correction":
        note_corrected(delivery)
    return recall_late(delivery) if delivery.kind in OF_IMAGES else set()


def _note_report(delivery: Delivery) -> None:
    rows = ReportVersion.objects.select_related("report")
    version = rows.filter(pk=delivery.because["report_version"]).first()
    if version is not None:
        note_receipt(version, delivery.destination.department)
