"""The studies of the past that a subscription matches, in SQL: by the date of the study, which is what is indexed."""

from datetime import date, datetime

from django.db.models import Q, QuerySet

from registry.models import Study, Subscription
from registry.wishes.compile import compile_filter
from registry.wishes.filter import Owner, read_filter


def find_past(
    subscription: Subscription, since: date, until: date | None = None, now: datetime | None = None
) -> QuerySet[Study]:
    """Return the studies of a span of dates (both included) that a subscription would have brought.

    Raises
    ------
    UnknownFilter
        Its filter cannot be read.
    """
    wanted = read_filter(subscription.filter)
    department = subscription.department
    rows = Study.objects.filter(study_date__gte=f"{since:%Y%m%d}", number_of_study_related_instances__gt=0)
    if until is not None:
        rows = rows.filter(study_date__lte=f"{until:%Y%m%d}")
    if subscription.from_state == "verified":
        rows = rows.filter(state="verified")
    if wanted.not_from_self:
        at_home = Q(custodian=subscription.destination.department_id)
        rows = rows.filter(Q(custodian__isnull=True) | ~at_home)
    return rows.filter(compile_filter(wanted, Owner(department.pk, department.unit_id), now))
