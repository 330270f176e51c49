"""What a search includes beside what it matches: only what the actor may see, in the same words as at its own address.

Standard: FHIR R4 search.html#include
"""

from collections.abc import Iterable, Sequence

from access.database import write_transaction
from registry.document_visibility import visible_orders, visible_reports
from registry.fhir.door import Asked
from registry.fhir.orders import make_service_requests
from registry.fhir.report_rows import newest_versions, record_report_reading
from registry.fhir.reports import make_diagnostic_reports
from registry.fhir.resources.patient import make_patients
from registry.fhir.structure import Resource
from registry.fhir.studies import make_imaging_studies
from registry.models import Order, Patient, Report, Study
from registry.visibility import visible_studies

MOST_INCLUDED = 500


def include_patients(asked: Asked, keys: Iterable[int]) -> list[Resource]:
    """Return the patients of whom the actor may see a study."""
    seen = visible_studies(asked.actor).filter(person__in=set(keys)).values_list("person_id", flat=True)
    rows = Patient.objects.filter(pk__in=set(seen)).prefetch_related("identifiers").order_by("pk")
    return make_patients(list(rows))


def include_studies(asked: Asked, reports: Sequence[Report]) -> list[Resource]:
    """Return the studies that reports are about, of those that are listed for the actor."""
    uids = {study.study_instance_uid for report in reports for study in report.studies.all()}
    rows = visible_studies(asked.actor).filter(study_instance_uid__in=uids).order_by("pk")
    return make_imaging_studies(asked.base, list(rows.distinct()[:MOST_INCLUDED]))


def include_orders_of(asked: Asked, reports: Sequence[Report]) -> list[Resource]:
    """Return the orders that reports answer."""
    keys = set(
        Order.objects.filter(reports__in=[report.pk for report in reports]).values_list("pk", flat=True)
    )
    return make_service_requests(
        [order for order, _ in visible_orders(asked.actor, Order.objects.filter(pk__in=keys))]
    )


def include_reports_of(asked: Asked, orders: Sequence[Order]) -> list[Resource]:
    """Return the reports that answer orders, each in its newest version, which is then read."""
    keys = set(Report.objects.filter(orders__in=[order.pk for order in orders]).values_list("pk", flat=True))
    return include_reports(asked, keys)


def include_reports_on(asked: Asked, studies: Iterable[Study]) -> list[Resource]:
    """Return the reports on studies, each in its newest version, which is then read."""
    keys = set(
        Report.objects.filter(studies__in=[study.pk for study in studies]).values_list("pk", flat=True)
    )
    return include_reports(asked, keys)


def include_reports(asked: Asked, keys: Iterable[int]) -> list[Resource]:
    """Return the reports with these keys that the actor may see."""
    permitted = visible_reports(asked.actor, Report.objects.filter(pk__in=set(keys)).order_by("pk"))
    newest = newest_versions([report for report, _ in permitted])
    shown = [(report, newest[report.pk], why) for report, why in permitted if report.pk in newest]
    with write_transaction():
        for report, version, decision in shown:
            record_report_reading(asked.actor, report, version, decision)
    return make_diagnostic_reports(asked.actor, [(report, version) for report, version, _ in shown])
