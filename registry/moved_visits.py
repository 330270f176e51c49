"""A visit that was registered on the wrong person: it goes to the right one with its orders and their reports.

Studies stay with the owner of the number that they were sent under: a link to one that is another's now is taken back,
and what the right person has of what is named is linked instead.

Standard: HL7 v2.5.1 3.3.45 (A45)
"""

from django.db.models import Q

from registry.epochs import raise_patient_epoch
from registry.linking import relink
from registry.models import DocumentEntry, Encounter, Order, Patient, Report
from registry.relations import (
    end_relation_of_encounter,
    end_relation_of_order,
    relate_from_encounter,
    relate_from_order,
    relate_from_referral,
)
from registry.workflow_changes import keep_order, keep_report, tell_visit

CANCELLED = "cancelled"


def move_visit(visit: Encounter, patient: Patient) -> None:
    """Move a visit, its orders, and the reports that answer nothing but them; in the transaction of the message."""
    before = visit.patient_id
    if before == patient.pk:
        return
    orders = list(visit.orders.order_by("pk"))
    reports = _reports_of(orders)
    end_relation_of_encounter(visit)
    visit.patient = patient
    visit.save(update_fields=["patient"])
    relate_from_encounter(visit, visit.ended_at)
    for order in orders:
        _move_order(order, patient)
    for report in reports:
        report.patient = patient
        report.save(update_fields=["patient"])
    belonging: list[Order | Report] = [*orders, *reports]
    for about in belonging:  # once all are where they belong: they are linked with each other too
        relink(about)
    tell_visit(visit)
    for order in orders:
        keep_order(order)
    for report in reports:
        keep_report(report)
    _move_documents(orders, reports, patient)
    for patient_id in sorted((before, patient.pk)):
        raise_patient_epoch(patient_id)


def _move_order(order: Order, patient: Patient) -> None:
    end_relation_of_order(order)
    order.patient = patient
    order.save(update_fields=["patient"])
    if order.status != CANCELLED:
        relate_from_order(order)
        performing = order.performing_department
        if performing is not None:
            name = order.accession_number or order.placer_order_number
            relate_from_referral(patient.pk, performing.unit_id, name)


def _move_documents(orders: list[Order], reports: list[Report], patient: Patient) -> None:
    """Move what was made of the orders and reports; it is about no study that stayed with the other person."""
    rows = DocumentEntry.objects.filter(Q(order__in=orders) | Q(report_version__report__in=reports))
    rows.exclude(study__person=patient).update(study=None)
    rows.update(patient=patient)


def _reports_of(orders: list[Order]) -> list[Report]:
    """Return the reports that answer these orders and no other."""
    keys = [order.pk for order in orders]
    answering = Report.objects.filter(orders__in=keys).distinct().order_by("pk")
    others = Order.objects.exclude(pk__in=keys)
    return list(answering.exclude(orders__in=others))
