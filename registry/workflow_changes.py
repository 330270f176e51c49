"""What the change feed says of orders, reports and visits: which row, and under which numbers its patient was known.

The numbers are those of the moment: a merge that follows gives the row to somebody else, and its undoing gives it back.
"""

from typing import Any

from registry import changes
from registry.models import Encounter, Order, PatientIdentifier, Report


def tell_order(order: Order, study_instance_uid: str = "") -> None:
    """Append that an order, or what it is linked to, changed; in the transaction of the change."""
    detail = {"order": order.pk, "numbers": _numbers_of(order.patient_id)}
    changes.append("order_changed", study_instance_uid, detail)


def tell_report(report: Report, study_instance_uid: str = "", **more: Any) -> None:
    """Append that a report has a new version, or what it is linked to changed; in the transaction of the change."""
    detail = {"report": report.pk, "numbers": _numbers_of(report.patient_id)}
    changes.append("report_version", study_instance_uid, detail | more)


def keep_order(order: Order) -> None:
    """Append what nobody but the journal has to know: what an order names, or whose it is."""
    changes.append("order_kept", detail={"order": order.pk, "numbers": _numbers_of(order.patient_id)})


def keep_report(report: Report) -> None:
    """Append what nobody but the journal has to know: what a report names or answers, or whose it is."""
    changes.append("report_kept", detail={"report": report.pk, "numbers": _numbers_of(report.patient_id)})


def tell_visit(visit: Encounter) -> None:
    """Append that a visit changed; in the transaction of the change."""
    changes.append("visit", detail={"visit": visit.pk, "numbers": _numbers_of(visit.patient_id)})


def tell_cancelled_visit(visit: Encounter) -> None:
    """Append that a visit is gone, before it is; in the transaction of the change."""
    changes.append("visit_cancelled", detail={"number": visit.number, "issuer": visit.issuer})


def _numbers_of(patient_id: int) -> list[list[Any]]:
    rows = PatientIdentifier.objects.filter(patient=patient_id).order_by("issuer", "value")
    return [list(number) for number in rows.values_list("value", "issuer", "is_national")]
