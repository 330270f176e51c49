"""What a receiver is asked back for: the instances as they were."""

from registry.models import RemovedInstance
from repository.models import Delivery, RecallReceipt

TAKEN_BACK = frozenset({"folder", "objects", "worklist"})
"""Kinds of destination from which we take ourselves what must not be there."""


def find_recalled(receipt: RecallReceipt) -> list[RemovedInstance]:
    """Return the instances of a recall that one receiver has."""
    rows = RemovedInstance.objects.filter(removal=receipt.recall.removal_id).select_related("series")
    asked = set(receipt.sop_instance_uids)
    return [row for row in rows.order_by("sop_instance_uid", "pk") if row.sop_instance_uid in asked]


def find_places(delivery: Delivery) -> list[tuple[str, str, str]]:
    """Return the UIDs of study, series and instance of all that a delivery recalls."""
    receipts = RecallReceipt.objects.select_related("recall").filter(
        recall=int(delivery.subject), destination=delivery.destination_id
    )
    return [
        (delivery.study.study_instance_uid, row.series.series_instance_uid, row.sop_instance_uid)
        for receipt in receipts
        for row in find_recalled(receipt)
    ]
