"""Trying a waiting delivery again at once instead of after its pause."""

from django.db.models import QuerySet

from access import audit
from access.actor import Actor
from access.database import database_now, run_write
from access.reach import DESTINATIONS
from registry.noted import require_right
from repository.delivery.operating.listing import deliveries_kept_by
from repository.models import Delivery

AT_ONCE = 500


def retry(actor: Actor, deliveries: QuerySet[Delivery], *, door: str = "") -> int:
    """Let deliveries that pause after a failure take their turn now; returns how many.

    A breaker stays open, hours and holds stay as they are: only the pause of the delivery itself ends.

    Raises
    ------
    MissingRight
    """
    require_right(actor, DESTINATIONS, "delivery_retry", door=door)
    now = database_now()
    pausing = deliveries_kept_by(actor).filter(state=Delivery.READY, not_before__gt=now)
    keys = list(
        pausing.filter(pk__in=deliveries.order_by().values("pk")).order_by("pk").values_list("pk", flat=True)
    )
    return sum(
        _end_pauses(actor, keys[start : start + AT_ONCE], door) for start in range(0, len(keys), AT_ONCE)
    )


def _end_pauses(actor: Actor, keys: list[int], door: str) -> int:
    def write() -> int:
        rows = Delivery.objects.filter(pk__in=keys, state=Delivery.READY)
        changed = rows.update(not_before=database_now())
        if changed:
            audit.record(actor, "delivery_retry", door=door, detail={"deliveries": keys, "changed": changed})
        return changed

    return run_write(write)
