"""The region's access epoch: raised with every change of who works where, with what rights and agreements."""

from functools import cache

from django.db.models import F

from access.models import AccessEpoch
from access.prepared import Prepared, prepare


def raise_access_epoch() -> None:
    """Let every decision that was made be made anew; call it in the transaction of the change."""
    if not AccessEpoch.objects.filter(pk=1).update(value=F("value") + 1):
        AccessEpoch.objects.get_or_create(pk=1, defaults={"value": 1})


def read_access_epoch() -> int:
    """Return the epoch; read it before what a decision rests on."""
    rows = _epoch().fetch()
    return int(rows[0][0]) if rows else 0


@cache
def _epoch() -> Prepared:
    """Select the epoch: every request of a person reads it."""
    return prepare(AccessEpoch.objects.filter(pk=1).values_list("value"))
