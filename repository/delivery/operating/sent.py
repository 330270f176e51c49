"""What became of what a person sent: arrived at the department's systems and on its list, opened by whom."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from registry.models import DepartmentMilestone, SendRequest, Study, WorklistItem
from repository.models import Delivery, DeliveryItem


@dataclass(frozen=True, slots=True)
class SentStudy:
    """One study of a sending.

    Parameters
    ----------
    instances_planned, instances_arrived
        At all of the department's systems together; 0 of 0 where it has none.
    is_listed
        It is or was on the department's worklist.
    opened_at, opened_by
        When somebody of the department first opened it, and who, as far as the worklist knows.
    """

    study: Study
    instances_planned: int
    instances_arrived: int
    is_listed: bool
    arrived_at: datetime | None
    opened_at: datetime | None
    opened_by: str


def read_progress(request: SendRequest) -> tuple[SentStudy, ...]:
    """Return what became of the studies of a sending and of the sender's own priors that went along, newest first.

    Priors that others keep may have gone as well: whoever sent it need not know that they exist.
    """
    deliveries = Delivery.objects.filter(send_request=request)
    keys = set(request.shares.values_list("study", flat=True)) | set(
        deliveries.values_list("study", flat=True)
    )
    studies = Study.objects.filter(pk__in=keys).select_related("custodian__unit").defer("fragment")
    if request.sent_from is not None:
        studies = studies.filter(custodian__unit=request.sent_from.unit_id)
    counted = DeliveryItem.objects.filter(
        delivery__study__in=keys,
        delivery__destination__department=request.department,
        delivery__kind__in=("study", "prior"),
    )
    counts = {
        row["delivery__study"]: (row["all"], row["there"])
        for row in counted.values("delivery__study").annotate(
            all=Count("sop_instance_uid", distinct=True),
            there=Count("sop_instance_uid", distinct=True, filter=Q(state=DeliveryItem.DELIVERED)),
        )
    }
    listed = {
        row.study_id: row
        for row in WorklistItem.objects.filter(department=request.department, study__in=keys)
    }
    opened = {
        row.study_id: row
        for row in DepartmentMilestone.objects.filter(department=request.department, study__in=keys)
    }
    return tuple(
        _make(study, counts.get(study.pk, (0, 0)), listed.get(study.pk), opened.get(study.pk))
        for study in studies.order_by("-study_date", "-study_time", "-pk")
    )


def _make(
    study: Study,
    counts: tuple[int, int],
    item: WorklistItem | None,
    milestone: DepartmentMilestone | None,
) -> SentStudy:
    planned, arrived = counts
    return SentStudy(
        study=study,
        instances_planned=planned,
        instances_arrived=arrived,
        is_listed=item is not None,
        arrived_at=milestone.delivered_at if milestone else None,
        opened_at=milestone.first_opened_at if milestone else None,
        opened_by=item.opened_by if item else "",
    )
