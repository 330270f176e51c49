"""What a subscription would have brought in the last days, counted in SQL; nothing of a patient."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from registry.models import Subscription
from registry.wishes.past import find_past

NEWEST = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """What would have matched.

    Parameters
    ----------
    families
        Modality family and number of studies, the most first; a family that is not known is empty.
    newest
        Study Instance UIDs, the newest first.
    """

    days: int
    count: int
    families: tuple[tuple[str, int], ...]
    newest: tuple[str, ...]


def preview(subscription: Subscription, days: int = 7) -> Preview:
    """Count the studies of the last days that a subscription matches, whether or not it is kept or active.

    Raises
    ------
    UnknownFilter
        Its filter cannot be read.
    """
    rows = find_past(subscription, timezone.localdate() - timedelta(days=days))
    counted = rows.order_by().values_list("harmonised__modality_family").annotate(found=Count("pk"))
    families: dict[str, int] = {}
    for family, found in counted:
        families[family or ""] = families.get(family or "", 0) + found
    newest = rows.order_by("-study_date", "-study_time", "-pk").values_list("study_instance_uid", flat=True)
    return Preview(
        days,
        sum(families.values()),
        tuple(sorted(families.items(), key=lambda item: (-item[1], item[0]))),
        tuple(newest[:NEWEST]),
    )
